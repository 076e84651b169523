using System.Diagnostics;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Commands;

/// <summary><c>quit</c>: ends the connection and both daemons, and waits until everything is undone.</summary>
internal static class QuitCommand
{
    /// <summary>Runs the verb. Exit code 0, connected or not.</summary>
    /// <param name="stopDaemons">Whether <c>-s</c> was given; the daemons end in any case.</param>
    /// <param name="terminal">Where to say so.</param>
    internal static async Task<int> RunAsync(bool stopDaemons, Terminal terminal)
    {
        Message? answer = await AskAsync();
        bool wasConnected = answer is { Kind: MessageKind.Disconnected, Code: 0 };
        if (answer is not null && Posix.geteuid() == 0)
            await DaemonLauncher.WaitForEndAsync();
        else if (Posix.geteuid() == 0)
            await UndoLeftoversAsync();
        foreach (string sentence in await UndoSessionsAsync(InvokingUser.Resolve(), terminal))
            terminal.Note(sentence);
        terminal.Say(stopDaemons ? "Telepresence Daemons quitting...done" : wasConnected ? "Disconnected" : "Not connected");
        if (answer?.Text is { Length: > 0 } left)
            terminal.Note(left);
        return ExitCode.Success;
    }

    // The user's journals are the user's to write: what stands in them is not for root to do.
    private static async Task<IReadOnlyList<string>> UndoSessionsAsync(InvokingUser user, Terminal terminal)
    {
        if (user.Uid == Posix.geteuid())
            return await SessionJournals.UndoDeadAsync(user, SessionJournals.LongestUndo, terminal.Note, CancellationToken.None);
        if (SessionPlaces.JournalFiles(user).Count == 0)
            return [];
        (string program, string[] arguments) = SelfProgram.Command("session-undo", "--all");
        ProcessStartInfo start = user.StartInfo(program, arguments);
        start.RedirectStandardOutput = true;
        using Process undo = Process.Start(start)!;
        string left = await undo.StandardOutput.ReadToEndAsync();
        await undo.WaitForExitAsync();
        return left.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static async Task<Message?> AskAsync()
    {
        await using ControlConnection? connection = ControlConnection.TryConnect(StatusCommand.SocketPath());
        if (connection is null)
            return null;
        return await connection.TryAskAsync(new Message { Kind = MessageKind.Quit }, CancellationToken.None);
    }

    // Daemons and guardians were all killed: what their journals still hold is taken back now.
    private static async Task UndoLeftoversAsync()
    {
        if (new FileInfo(DaemonPaths.RootJournal) is { Exists: true, Length: > 0 })
            await RootDaemon.UndoAsync();
        InvokingUser user = InvokingUser.Resolve();
        if (new FileInfo(DaemonPaths.UserJournal(user)) is not { Exists: true, Length: > 0 })
            return;
        (string program, string[] arguments) = SelfProgram.Command("daemon-user", "--undo");
        using Process undo = Process.Start(user.StartInfo(program, arguments))!;
        await undo.WaitForExitAsync();
    }
}
