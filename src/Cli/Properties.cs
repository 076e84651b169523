using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Cli.Tests")]
[assembly: InternalsVisibleTo("Holder.Tests")]
[assembly: InternalsVisibleTo("Preload.Tests")]
[assembly: InternalsVisibleTo("Micro")]
[assembly: InternalsVisibleTo("Rig")]
[assembly: DisableRuntimeMarshalling]
