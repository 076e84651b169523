using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Cli.Tests")]
[assembly: InternalsVisibleTo("Holder.Tests")]
[assembly: InternalsVisibleTo("Preload.Tests")]
[assembly: DisableRuntimeMarshalling]
