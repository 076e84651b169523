using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Shell;
using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Commands;

/// <summary><c>run</c>, <c>shell</c> and <c>env</c>: from another terminal, or an editor, into a session that is up.</summary>
/// <remarks>This process becomes the command, so that terminal, signals and exit code are the command's own.</remarks>
internal static class JoinCommand
{
    private static readonly Dictionary<string, string> Nothing = [];

    /// <summary>Runs a command in the session.</summary>
    /// <exception cref="UserError">There is no such session, or no such program.</exception>
    internal static async Task<int> RunAsync(string? session, IReadOnlyList<string> command)
    {
        InvokingUser user = InvokingUser.Resolve();
        return Become(user, await SessionFinder.EnterAsync(user, session), command, Nothing);
    }

    /// <summary>Opens the user's shell in the session.</summary>
    internal static async Task<int> ShellAsync(string? session)
    {
        InvokingUser user = InvokingUser.Resolve();
        SessionEntry entry = await SessionFinder.EnterAsync(user, session);
        UserShell shell = UserShell.Prepare(user, entry.Context, entry.Directory, interactive: !Console.IsInputRedirected);
        return Become(user, entry, shell.Command, shell.Variables);
    }

    /// <summary>Prints the pod's environment.</summary>
    internal static async Task<int> EnvAsync(string? session, string format, Terminal terminal)
    {
        SessionEntry entry = await SessionFinder.EnterAsync(InvokingUser.Resolve(), session);
        await Console.Out.WriteAsync(EnvironmentFormat.Format(format, entry.Pod, out IReadOnlyList<string> left));
        if (left.Count > 0)
            terminal.Note($"Left out, because this form cannot express them: {string.Join(", ", left)}.");
        return ExitCode.Success;
    }

    private static int Become(InvokingUser user, SessionEntry entry, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> shell)
    {
        IReadOnlyDictionary<string, string> variables = TreeVariables.Merge(user.Environment, entry.Pod, entry.Own, shell);
        string directory = Environment.CurrentDirectory;
        if (CommandLookup.Check(new LaunchSpec { Command = command, Environment = variables, Directory = directory }) is { } error)
            throw error;
        if (entry.Holder is not { } holder)
        {
            Privileges.DropTo(user);
            ChildProcess.Become("/usr/bin/env", ["env", "--", .. command], variables);
            return ExitCode.Internal;
        }

        if (!entry.Rootless && Posix.geteuid() != 0)
            throw new UserError(ExitCode.NotRoot, "This session was started through sudo, and only root may enter its namespaces; run sudo telepresence run -- CMD.");
        IReadOnlyList<string> line = HolderJoin.CommandLine(holder, entry.Rootless, entry.HasNetwork, user.Uid, user.Gid, UserGroups.Of(user), directory, command);
        ChildProcess.Become(line[0], line, variables);
        return ExitCode.Internal;
    }
}
