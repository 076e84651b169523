using System.Globalization;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch;

/// <summary>Where sessions keep their sockets and journals: the first in memory, private to the user; the second on disk, to outlast a reboot.</summary>
internal static class SessionPlaces
{
    internal const string ControlSocket = "control.sock";
    private const string JournalSuffix = ".journal";

    /// <summary>Directory that holds a directory for each session of the user.</summary>
    /// <exception cref="UserError">Somebody else made it.</exception>
    internal static string Sessions(InvokingUser user)
    {
        string directory = user.Environment.GetValueOrDefault("XDG_RUNTIME_DIR") is { Length: > 0 } runtime && Directory.Exists(runtime)
            ? Path.Combine(runtime, "telepresence")
            : string.Create(CultureInfo.InvariantCulture, $"/tmp/telepresence-{user.Uid}");
        return Path.Combine(directory, "sessions");
    }

    /// <summary>The directory of a session.</summary>
    internal static string Of(InvokingUser user, string id) => Path.Combine(Sessions(user), id);

    /// <summary>Makes a session's directory.</summary>
    /// <exception cref="UserError">It cannot be made, or somebody else could reach into it.</exception>
    internal static void Make(InvokingUser user, string directory)
    {
        const int Tries = 10;
        for (int i = 1; ; i++)
        {
            try
            {
                TryMake(user, directory);
                return;
            }
            catch (UserError fault) when (fault.InnerException is DirectoryNotFoundException && i < Tries)
            {
                // Another session, the last one so far, took the empty directories away at this moment.
            }
        }
    }

    private static void TryMake(InvokingUser user, string directory)
    {
        string sessions = Sessions(user);
        try
        {
            foreach (string part in (ReadOnlySpan<string>)[Path.GetDirectoryName(sessions)!, sessions, directory])
            {
                Directory.CreateDirectory(part, DaemonPaths.Private);

                // /tmp is everybody's: whoever made the directory first could read what is put there.
                if (!IsPrivate(part, Posix.geteuid()))
                    throw new UserError(ExitCode.DaemonStart, $"{part} must be a directory that belongs to {user.Name} and that nobody else may enter; remove it, or set XDG_RUNTIME_DIR.");
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"The session's directory {directory} cannot be made: {fault.Message}", fault);
        }
    }

    /// <summary>The control sockets of the user's sessions. What is in a directory that somebody else made, or could reach into, is no session.</summary>
    internal static IReadOnlyList<string> ControlSockets(InvokingUser user)
    {
        string sessions = Sessions(user);
        if (!Directory.Exists(sessions) || !IsUsers(Path.GetDirectoryName(sessions)!) || !IsUsers(sessions))
            return [];
        return
        [
            .. from directory in Directory.GetDirectories(sessions)
               let socket = Path.Combine(directory, ControlSocket)
               where IsUsers(directory) && File.Exists(socket)
               select socket,
        ];

        bool IsUsers(string directory)
        {
            try
            {
                return IsPrivate(directory, user.Uid);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // It has just ended, or is not this user's to look into.
                return false;
            }
        }
    }

    /// <summary>The journal of a session.</summary>
    internal static string Journal(InvokingUser user, string id) => Path.Combine(Journals(user), id + JournalSuffix);

    /// <summary>The journals of all sessions of the user, those of the living too.</summary>
    internal static IReadOnlyList<string> JournalFiles(InvokingUser user) =>
        Directory.Exists(Journals(user)) ? Directory.GetFiles(Journals(user), "*" + JournalSuffix) : [];

    private static bool IsPrivate(string directory, uint uid) =>
        Posix.OwnerOf(directory) == uid && File.GetUnixFileMode(directory) == DaemonPaths.Private && new FileInfo(directory).LinkTarget is null;

    private static string Journals(InvokingUser user) => Path.Combine(Path.GetDirectoryName(DaemonPaths.UserJournal(user))!, "sessions");
}
