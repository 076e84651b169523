using System.Diagnostics;

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
        IReadOnlyList<string> left = await UndoDyingAsync(path, LongestUndo, log.Write, CancellationToken.None);
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
    /// <param name="longest">How long all of it may take; waiting for others has a time of its own.</param>
    /// <param name="tell">Told what is being done, or waited for.</param>
    /// <param name="cancellation">Ends it earlier.</param>
    /// <returns>A sentence for each thing that could not be taken back.</returns>
    internal static async Task<IReadOnlyList<string>> UndoDeadAsync(InvokingUser user, TimeSpan longest, Action<string> tell, CancellationToken cancellation)
    {
        List<string> left = [];
        TimeSpan rest = longest;
        foreach (string path in SessionPlaces.JournalFiles(user))
        {
            (IReadOnlyList<string> sentences, TimeSpan taken) = await UndoOneAsync(path, isDying: false, rest, tell, cancellation);
            left.AddRange(sentences);
            rest = rest > taken ? rest - taken : TimeSpan.Zero;
        }

        return left;
    }

    /// <summary>Undoes what the journal of a session holds that is known to end, and waits for it if it has not quite.</summary>
    /// <returns>A sentence for each thing that could not be taken back.</returns>
    internal static async Task<IReadOnlyList<string>> UndoDyingAsync(string path, TimeSpan longest, Action<string> tell, CancellationToken cancellation) =>
        (await UndoOneAsync(path, isDying: true, longest, tell, cancellation)).Left;

    // Also says how long the undoing took, without the waiting. An empty journal is removed; that of a process that lives is left alone.
    private static async Task<(IReadOnlyList<string> Left, TimeSpan Taken)> UndoOneAsync(string path, bool isDying, TimeSpan longest, Action<string> tell, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(LongestUndo);
        bool told = false;
        long begun = Stopwatch.GetTimestamp();
        try
        {
            using Journal? journal = await Journal.OpenWhenFreeAsync(path, ShouldWait, limit.Token);
            begun = Stopwatch.GetTimestamp();
            return (journal is null ? [] : await UndoAsync(journal, path), Stopwatch.GetElapsedTime(begun));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return ([$"The journal {path} of an earlier session cannot be read: {fault.Message}"], TimeSpan.Zero);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return ([$"What the journal {path} of an earlier session holds was not taken back in time; the next session tries again."], Stopwatch.GetElapsedTime(begun));
        }

        ValueTask<bool> ShouldWait()
        {
            bool waits = isDying || Journal.IsBeingUndone(path);
            if (waits && !told)
                tell("Waiting until what an earlier session left is taken back");
            told |= waits;
            return ValueTask.FromResult(waits);
        }

        async Task<IReadOnlyList<string>> UndoAsync(Journal journal, string path)
        {
            if (journal.Open.Count > 0)
                tell($"Taking back what an earlier session left: {string.Join(", ", journal.Open.Select(static change => change.Description))}");
            limit.CancelAfter(longest);
            IReadOnlyList<string> left = await journal.UndoAllAsync(limit.Token);
            if (left.Count == 0)
                File.Delete(path);
            return left.Count == 0 ? [] : [.. left, $"The journal of that earlier session is {path}; should its cluster be gone for good, remove it."];
        }
    }
}
