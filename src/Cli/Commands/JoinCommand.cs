using System.Globalization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Shell;
using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Commands;

/// <summary><c>run</c>, <c>shell</c> and <c>env</c>: from another terminal, or an editor, into a session that is up.</summary>
/// <remarks>
/// This process becomes the command, so that terminal, signals and exit code are the command's own. Under sudo it stays root only where that
/// is needed to enter the session's namespaces, and what it does with the user's files it does with the user's rights.
/// </remarks>
internal static class JoinCommand
{
    private static readonly Dictionary<string, string> Nothing = [];

    /// <summary>Runs a command in the session.</summary>
    /// <exception cref="UserError">There is no such session, or no such program.</exception>
    internal static async Task<int> RunAsync(string? session, IReadOnlyList<string> command)
    {
        InvokingUser user = InvokingUser.Resolve();
        SessionEntry entry = await SessionFinder.EnterAsync(user, session);
        HolderUser? become = Prepare(user, entry);
        return Become(user, become, entry, command, Nothing);
    }

    /// <summary>Opens the user's shell in the session.</summary>
    internal static async Task<int> ShellAsync(string? session)
    {
        InvokingUser user = InvokingUser.Resolve();
        SessionEntry entry = await SessionFinder.EnterAsync(user, session);
        HolderUser? become = Prepare(user, entry);
        UserShell shell = become is null ? Choose() : Privileges.WithFilesOf(become.Uid, become.Gid, become.Groups, Choose);
        return Become(user, become, entry, shell.Command, shell.Variables);

        UserShell Choose() => UserShell.Prepare(user, entry.Context, entry.Directory, interactive: !Console.IsInputRedirected);
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

    // Gives root up where it is not needed. Where it is, says whom it is to be given up for inside.
    private static HolderUser? Prepare(InvokingUser user, SessionEntry entry)
    {
        bool needsRoot = entry.Holder is not null && !entry.Rootless;
        if (!needsRoot)
            Privileges.DropTo(user);
        else if (Posix.geteuid() != 0)
            throw new UserError(ExitCode.NotRoot, "This session was started through sudo, and only root may enter its namespaces; run sudo telepresence run -- CMD.");
        else if (!IsOurs(entry.Holder!.Value))
            throw new UserError(ExitCode.NoSession, $"process {entry.Holder}, which the session names as the holder of its namespaces, is not root's; end the session and start it again.");
        return HolderUser.Of(user);
    }

    // The user's process has named it. In namespaces that an ordinary user has made, root would run that user's programs.
    private static bool IsOurs(int holder)
    {
        string directory = string.Create(CultureInfo.InvariantCulture, $"/proc/{holder}");
        try
        {
            return File.ReadLines(Path.Combine(directory, "status")).Any(static line => line.StartsWith("Uid:\t0\t0\t", StringComparison.Ordinal))
                && new FileInfo(Path.Combine(directory, "ns/user")).LinkTarget == new FileInfo("/proc/self/ns/user").LinkTarget;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static int Become(InvokingUser user, HolderUser? become, SessionEntry entry, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> shell)
    {
        IReadOnlyDictionary<string, string> variables = TreeVariables.Merge(user.Environment, entry.Pod, entry.Own, shell);
        string directory = Environment.CurrentDirectory;
        if (CommandLookup.Check(new LaunchSpec { Command = command, Environment = variables, Directory = directory }) is { } error)
            throw error;
        if (entry.Holder is not { } holder)
        {
            ChildProcess.Become("/usr/bin/env", ["env", "--", .. command], variables);
            return ExitCode.Internal;
        }

        (IReadOnlyDictionary<string, string> first, IReadOnlyList<string> restore) = LoaderVariables.SetAside(variables, needed: become is not null);
        IReadOnlyList<string> line = HolderJoin.CommandLine(holder, entry.Rootless, entry.HasNetwork, become, directory, [.. restore, .. command]);
        ChildProcess.Become(line[0], line, first);
        return ExitCode.Internal;
    }
}
