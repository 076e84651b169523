using System.Globalization;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// Where daemons keep their sockets, journals and logs. <c>TELEPRESENCE_RUNTIME_DIR</c>, <c>TELEPRESENCE_STATE_DIR</c> and
/// <c>TELEPRESENCE_LOG_DIR</c> move root's, so that two machines' worth of namespaces on one file system do not meet.
/// </summary>
internal static class DaemonPaths
{
    internal const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Traversable = Private | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Sockets: <c>/run/telepresence</c>.</summary>
    internal static string Runtime => FromEnvironment("TELEPRESENCE_RUNTIME_DIR", "/run/telepresence");

    /// <summary>Root daemon's control socket; only root may connect.</summary>
    internal static string RootSocket => Path.Combine(Runtime, "root.sock");

    /// <summary>Root daemon's journal.</summary>
    internal static string RootJournal => Path.Combine(FromEnvironment("TELEPRESENCE_STATE_DIR", "/var/lib/telepresence"), "machine.journal");

    /// <summary>Root daemon's log.</summary>
    internal static string RootLog => Path.Combine(RootLogs, "root-daemon.log");

    /// <summary>
    /// Log of the verbs that people call. Root's is apart from the user's, where root would write whatever file the user has put, or linked,
    /// there.
    /// </summary>
    internal static string FrontEndLog => Path.Combine(Posix.geteuid() == 0 ? RootLogs : UserState(InvokingUser.Resolve()), "telepresence.log");

    /// <summary>Directory of one user's sockets; root makes it and gives it to the user.</summary>
    internal static string UserDirectory(uint uid) => Path.Combine(Runtime, string.Create(CultureInfo.InvariantCulture, $"user-{uid}"));

    /// <summary>User daemon's control socket.</summary>
    internal static string UserSocket(string directory) => Path.Combine(directory, "user.sock");

    /// <summary>The user daemon's journal of cluster objects.</summary>
    internal static string UserJournal(InvokingUser user) => Path.Combine(UserState(user), "cluster.journal");

    /// <summary>The user daemon's log.</summary>
    internal static string UserLog(InvokingUser user) => Path.Combine(UserState(user), "user-daemon.log");

    /// <summary>Makes the directory of all sockets, which everybody may traverse, and nobody but root change.</summary>
    internal static void MakeRuntime() => Make(Runtime, Traversable);

    /// <summary>Makes the directory of one user's sockets.</summary>
    internal static string MakeUserDirectory(uint uid, uint gid)
    {
        string directory = UserDirectory(uid);
        Make(directory, Private);
        Posix.ChangeOwner(directory, uid, gid);
        return directory;
    }

    private static void Make(string directory, UnixFileMode mode)
    {
        Directory.CreateDirectory(directory, mode);

        // The process's umask does not apply to what must be reachable, nor a mode from before to what must not.
        File.SetUnixFileMode(directory, mode);
    }

    private static string UserState(InvokingUser user)
    {
        string state = user.Environment.GetValueOrDefault("XDG_STATE_HOME") is { Length: > 0 } given ? given : Path.Combine(user.Home, ".local/state");
        return Path.Combine(state, "telepresence");
    }

    private static string RootLogs => FromEnvironment("TELEPRESENCE_LOG_DIR", "/var/log/telepresence");

    private static string FromEnvironment(string name, string otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } given ? given : otherwise;
}
