using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Commands;

/// <summary><c>run</c>, <c>shell</c> and <c>env</c>: from another terminal, or an editor, into a session that is up.</summary>
internal static class JoinCommand
{
    /// <summary>Runs a command in the session.</summary>
    /// <exception cref="UserError">There is no such session, or no such program.</exception>
    internal static async Task<int> RunAsync(string? session, IReadOnlyList<string> command)
    {
        SessionEntry entry = await SessionFinder.EnterAsync(InvokingUser.Resolve(), session);
        return entry.Holder ?? command.Count;
    }

    /// <summary>Opens the user's shell in the session.</summary>
    internal static Task<int> ShellAsync(string? session) => RunAsync(session, []);

    /// <summary>Prints the pod's environment.</summary>
    internal static async Task<int> EnvAsync(string? session, string format, Terminal terminal)
    {
        SessionEntry entry = await SessionFinder.EnterAsync(InvokingUser.Resolve(), session);
        await Console.Out.WriteAsync(EnvironmentFormat.Format(format, entry.Pod, out IReadOnlyList<string> left));
        if (left.Count > 0)
            terminal.Note($"Left out, because this form cannot express them: {string.Join(", ", left)}.");
        return ExitCode.Success;
    }
}
