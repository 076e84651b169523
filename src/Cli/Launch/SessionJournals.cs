using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Launch;

/// <summary>Takes back what sessions left whose process, and whose guardian, were killed.</summary>
internal static class SessionJournals
{
    /// <summary>How long a process may take that has nothing else to do.</summary>
    internal static readonly TimeSpan LongestUndo = TimeSpan.FromSeconds(20);

    /// <summary>What the guardian of a session becomes when that was killed: <c>telepresence session-undo --journal PATH</c>.</summary>
    internal static async Task<int> UndoCommandAsync(string path)
    {
        using FileLog log = FileLog.Open(DaemonPaths.FrontEndLog, verbose: false);
        IReadOnlyList<string> left = await UndoAsync(path, isDying: true, LongestUndo, log.Write, CancellationToken.None);
        foreach (string sentence in left)
            log.Write(sentence);
        return left.Count == 0 ? ExitCode.Success : ExitCode.ApiError;
    }

    /// <summary>
    /// What root has done by a process that is the user's, because the journals are: <c>telepresence session-undo --all</c>. Prints a sentence
    /// for each thing that could not be taken back.
    /// </summary>
    internal static async Task<int> UndoAllCommandAsync()
    {
        IReadOnlyList<string> left = await UndoDeadAsync(InvokingUser.Resolve(), LongestUndo, static _ => { }, CancellationToken.None);
        foreach (string sentence in left)
            Console.Out.WriteLine(sentence.ReplaceLineEndings(" "));
        return left.Count == 0 ? ExitCode.Success : ExitCode.ApiError;
    }

    /// <summary>Undoes what the journals of dead sessions hold, or waits for another process that does.</summary>
    /// <param name="user">Whose sessions.</param>
    /// <param name="longest">How long each may take.</param>
    /// <param name="tell">Told what is being done.</param>
    /// <param name="cancellation">Ends it earlier.</param>
    /// <returns>A sentence for each thing that could not be taken back.</returns>
    internal static async Task<IReadOnlyList<string>> UndoDeadAsync(InvokingUser user, TimeSpan longest, Action<string> tell, CancellationToken cancellation)
    {
        List<string> left = [];
        foreach (string path in SessionPlaces.JournalFiles(user))
            left.AddRange(await UndoAsync(path, isDying: false, longest, tell, cancellation));
        return left;
    }

    /// <summary>Undoes what one journal holds; an empty one is removed.</summary>
    /// <param name="path">The journal.</param>
    /// <param name="isDying">Whether its process is known to end, and is waited for if it has not quite; else one that lives is left alone.</param>
    /// <param name="longest">How long all this may take.</param>
    /// <param name="tell">Told what is being done.</param>
    /// <param name="cancellation">Ends it earlier.</param>
    /// <returns>A sentence for each thing that could not be taken back.</returns>
    internal static async Task<IReadOnlyList<string>> UndoAsync(string path, bool isDying, TimeSpan longest, Action<string> tell, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(longest);
        try
        {
            using Journal? journal = await Journal.OpenWhenFreeAsync(path, ShouldWait, limit.Token);
            if (journal is null)
                return [];
            if (journal.Open.Count > 0)
                tell($"Taking back what an earlier session left: {string.Join(", ", journal.Open.Select(static change => change.Description))}");
            IReadOnlyList<string> left = await journal.UndoAllAsync(limit.Token);
            if (left.Count == 0)
                File.Delete(path);
            return left.Count == 0 ? [] : [.. left, $"The journal of that earlier session is {path}; should its cluster be gone for good, remove it."];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return [$"The journal {path} of an earlier session cannot be read: {fault.Message}"];
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return [$"What the journal {path} of an earlier session holds was not taken back in time; the next session tries again."];
        }

        ValueTask<bool> ShouldWait() => ValueTask.FromResult(isDying || Journal.IsBeingUndone(path));
    }
}
