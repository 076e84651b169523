using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Cli.Tests")]
[assembly: DisableRuntimeMarshalling]
