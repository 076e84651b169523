using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Proxy.Tests")]
[assembly: InternalsVisibleTo("Holder.Tests")]
[assembly: InternalsVisibleTo("Preload.Tests")]
[assembly: DisableRuntimeMarshalling]
