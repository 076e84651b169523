using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Proxy.Tests")]
[assembly: DisableRuntimeMarshalling]
