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
                if (Posix.OwnerOf(part) != Posix.geteuid() || File.GetUnixFileMode(part) != DaemonPaths.Private || new FileInfo(part).LinkTarget is not null)
                    throw new UserError(ExitCode.DaemonStart, $"{part} must be a directory that belongs to {user.Name} and that nobody else may enter; remove it, or set XDG_RUNTIME_DIR.");
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.DaemonStart, $"The session's directory {directory} cannot be made: {fault.Message}", fault);
        }
    }

    /// <summary>The journal of a session.</summary>
    internal static string Journal(InvokingUser user, string id) => Path.Combine(Journals(user), id + JournalSuffix);

    /// <summary>The journals of all sessions of the user, those of the living too.</summary>
    internal static IReadOnlyList<string> JournalFiles(InvokingUser user) =>
        Directory.Exists(Journals(user)) ? Directory.GetFiles(Journals(user), "*" + JournalSuffix) : [];

    private static string Journals(InvokingUser user) => Path.Combine(Path.GetDirectoryName(DaemonPaths.UserJournal(user))!, "sessions");
}
