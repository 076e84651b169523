using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Proxy.Tests")]
[assembly: InternalsVisibleTo("Holder.Tests")]
[assembly: DisableRuntimeMarshalling]
