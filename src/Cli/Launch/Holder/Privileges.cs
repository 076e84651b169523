using System.Globalization;
using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>Gives root up for good: the session process needs it only to start the holder of the namespace.</summary>
internal static partial class Privileges
{
    /// <summary>
    /// Becomes <paramref name="user"/> with that user's groups, in every thread (the C library sees to that, nptl(7)), and makes sure that
    /// there is no way back.
    /// </summary>
    /// <exception cref="UserError">The kernel refused, or left a thread as it was: nothing may go on then.</exception>
    internal static void DropTo(InvokingUser user)
    {
        if (Posix.geteuid() == user.Uid)
            return;
        if (initgroups(user.Name, user.Gid) != 0)
            throw Refused(user, Posix.Failure("initgroups"));
        if (setresgid(user.Gid, user.Gid, user.Gid) != 0)
            throw Refused(user, Posix.Failure("setresgid"));
        if (setresuid(user.Uid, user.Uid, user.Uid) != 0)
            throw Refused(user, Posix.Failure("setresuid"));
        foreach (string thread in Directory.GetDirectories("/proc/self/task"))
            Verify(user, thread);
        if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
            throw Refused(user, new IOException("the process could become root again"));
    }

    private static void Verify(InvokingUser user, string thread)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(Path.Combine(thread, "status"));
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException or IOException { HResult: 3 })
        {
            // The thread ended meanwhile (ESRCH).
            return;
        }

        foreach (string line in lines)
        {
            bool right = line.Split((char[])[':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries) switch
            {
                ["Uid", .. string[] ids] => ids.All(id => id == user.Uid.ToString(CultureInfo.InvariantCulture)),
                ["Gid", .. string[] ids] => ids.All(id => id == user.Gid.ToString(CultureInfo.InvariantCulture)),
                ["Groups", .. string[] ids] => user.Gid == 0 || !ids.Contains("0"),
                ["CapInh" or "CapPrm" or "CapEff" or "CapAmb", string mask] => mask.All(static digit => digit == '0'),
                _ => true,
            };
            if (!right)
                throw Refused(user, new IOException($"thread {Path.GetFileName(thread)} still has {line.Replace('\t', ' ')}"));
        }
    }

    private static UserError Refused(InvokingUser user, IOException fault) =>
        new(ExitCode.Internal, $"Root's rights could not be given up for {user.Name} ({fault.Message}), so nothing is done; run without sudo.", fault);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int initgroups(string user, uint group);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresgid(uint real, uint effective, uint saved);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresuid(uint real, uint effective, uint saved);
}
