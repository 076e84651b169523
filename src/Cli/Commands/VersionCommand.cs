using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary><c>version</c>: this program's version and that of each part that runs.</summary>
internal static class VersionCommand
{
    /// <summary>Runs the verb. It needs no cluster, no kubeconfig and no daemon.</summary>
    internal static async Task<int> RunAsync(Terminal terminal)
    {
        StatusReport report = await StatusCommand.AskAsync();
        terminal.Say($"OSS Client         : v{ProductVersion.Text}");
        terminal.Say($"OSS Root Daemon    : {(report.RootDaemon.Running ? "v" + report.RootDaemon.Version : "not running")}");
        terminal.Say($"OSS User Daemon    : {(report.UserDaemon.Running ? "v" + report.UserDaemon.Version : "not running")}");
        terminal.Say($"OSS Traffic Manager: {(report.TrafficManager.Version is { } version ? "v" + version : "not connected")}");
        return ExitCode.Success;
    }
}
