namespace Telepresence.Cli.Launch;

/// <summary>Where the programs of the tree run: in namespaces of their own, or like any other program.</summary>
internal interface ITreeHost : IAsyncDisposable
{
    /// <summary>Ends, with the reason, when the host has ended although nobody asked it to.</summary>
    Task<string> Lost { get; }

    /// <summary>The process whose namespaces another terminal enters, or null.</summary>
    int? Holder { get; }

    /// <summary>Whether those are a user namespace and what it owns.</summary>
    bool Rootless { get; }

    /// <summary>Whether there is a network namespace.</summary>
    bool HasNetwork { get; }

    /// <summary>Runs the user's command with this process's terminal, to its end.</summary>
    /// <param name="command">Program, as a path, and arguments.</param>
    /// <param name="variables">Its whole environment.</param>
    /// <param name="directory">Its working directory.</param>
    /// <returns>Its exit code; 128 and the signal's number when a signal ended it.</returns>
    /// <exception cref="UserError">It cannot be started.</exception>
    Task<int> RunAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> variables, string directory);

    /// <summary>Sends the command a signal: as soon as it runs, if it does not yet; not at all when it has ended.</summary>
    void Signal(int signal);
}
