using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("telepresence-proxy")]
[assembly: InternalsVisibleTo("Tunnel.Tests")]
[assembly: InternalsVisibleTo("Proxy.Tests")]
[assembly: InternalsVisibleTo("Cli.Tests")]
[assembly: InternalsVisibleTo("Holder.Tests")]
[assembly: InternalsVisibleTo("Preload.Tests")]
[assembly: InternalsVisibleTo("Micro")]
[assembly: InternalsVisibleTo("Rig")]
[assembly: InternalsVisibleTo("telepresence")]
[assembly: DisableRuntimeMarshalling]
