using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch;

/// <summary>Finds the user's sessions that live, from another terminal.</summary>
internal static class SessionFinder
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    /// <summary>Asks every session to describe itself; one that does not answer is left out.</summary>
    internal static async Task<IReadOnlyList<SessionDescription>> ListAsync(InvokingUser user)
    {
        IEnumerable<Task<SessionDescription?>> asking = SessionPlaces.ControlSockets(user).Select(async path => (await AskAsync(user, path, MessageKind.Describe))?.Session);
        return [.. (await Task.WhenAll(asking)).OfType<SessionDescription>().OrderBy(static session => session.Pid)];
    }

    /// <summary>Finds one session, and how to enter it.</summary>
    /// <param name="user">Whose.</param>
    /// <param name="name">Its name, or null when there is only one.</param>
    /// <exception cref="UserError">There is none, or more than one.</exception>
    internal static async Task<SessionEntry> EnterAsync(InvokingUser user, string? name)
    {
        List<(string Path, SessionDescription Session)> found = [];
        foreach (string path in SessionPlaces.ControlSockets(user))
        {
            if ((await AskAsync(user, path, MessageKind.Describe))?.Session is { } session && (name is null || session.Name == name))
                found.Add((path, session));
        }

        if (found.Count == 0)
        {
            throw new UserError(ExitCode.NoSession, name is null
                ? $"{user.Name} has no session on this machine; start one with telepresence --run-shell."
                : $"{user.Name} has no session named {name} on this machine; telepresence status lists those that there are.");
        }

        if (found.Count > 1)
            throw new UserError(ExitCode.NoSession, $"there are several sessions ({string.Join(", ", found.Select(static session => session.Session.Name))}); choose one with --session NAME.");
        return (await AskAsync(user, found[0].Path, MessageKind.Enter))?.Entry
            ?? throw new UserError(ExitCode.NoSession, $"session {found[0].Session.Name} is not ready, or just ending; try again.");
    }

    // What answers says which program is to run with which variables: it must be the user's own, or root's.
    private static async Task<Message?> AskAsync(InvokingUser user, string path, MessageKind question)
    {
        using CancellationTokenSource limit = new(AnswerLimit);
        try
        {
            await using ControlConnection? connection = ControlConnection.TryConnect(path);
            if (connection is null || !connection.PeerIs(user.Uid))
                return null;
            return await connection.TryAskAsync(new Message { Kind = question }, limit.Token);
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException)
        {
            return null;
        }
    }
}
