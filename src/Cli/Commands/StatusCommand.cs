using System.Text.Json;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Commands;

/// <summary><c>status</c>: what the daemons say, or that there are none. Exit code 0 in either case.</summary>
internal static class StatusCommand
{
    /// <summary>Runs the verb.</summary>
    internal static async Task<int> RunAsync(bool json, TextWriter output)
    {
        Task<IReadOnlyList<SessionDescription>> sessions = SessionFinder.ListAsync(InvokingUser.Resolve());
        StatusReport report = await AskAsync();
        if (await sessions is { Count: > 0 } found)
            report = report with { Connections = found };
        if (json)
            await output.WriteLineAsync(JsonSerializer.Serialize(report, MessageJson.Default.StatusReport));
        else
            await output.WriteAsync(StatusText.Format(report));
        return ExitCode.Success;
    }

    /// <summary>Asks whichever daemon this user may talk to.</summary>
    internal static async Task<StatusReport> AskAsync()
    {
        await using ControlConnection? connection = ControlConnection.TryConnect(SocketPath());
        if (connection is null)
            return new StatusReport();
        return (await connection.TryAskAsync(new Message { Kind = MessageKind.Status }, CancellationToken.None))?.Status ?? new StatusReport();
    }

    /// <summary>Root talks to the root daemon, everybody else to their own user daemon.</summary>
    internal static string SocketPath() =>
        Posix.geteuid() is var uid && uid == 0 ? DaemonPaths.RootSocket : DaemonPaths.UserSocket(DaemonPaths.UserDirectory(uid));
}
