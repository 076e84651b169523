using Telepresence.Cli.Tests.Daemon;
using Telepresence.Cli.Tests.Launch.Volumes;
using Telepresence.Cli.Tests.Machine;
using Telepresence.Cli.Tests.Machine.Resolver;

namespace Telepresence.Cli.Tests;

/// <summary>
/// The test assembly is a program as well: what must be killed, or must live in namespaces of its own, is started as
/// <c>dotnet Cli.Tests.dll VERB …</c>.
/// </summary>
internal static class HelperProgram
{
    private static Task<int> Main(string[] arguments) => arguments switch
    {
        ["launch-daemon"] => LauncherHelper.RunAsync(),
        ["network", string journal] => NetworkHelper.RunAsync(journal),
        ["agent", string path] => AgentHelper.ServeAsync(path),
        ["agent-client", string path] => AgentHelper.AskAsync(path),
        ["tools"] => ToolHelper.RunAsync(),
        ["volumes", .. string[] rest] => VolumeHelper.RunAsync(rest),
        ["resolver", .. string[] rest] => ResolverHelper.RunAsync(rest),
        _ => throw new ArgumentException($"no such helper: {string.Join(' ', arguments)}"),
    };
}
