using System.Globalization;
using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>Gives root up: for good, as the session process needs it only to start the holder of the namespace, or for a moment.</summary>
internal static partial class Privileges
{
    /// <summary>
    /// Becomes <paramref name="user"/> with that user's groups and environment, in every thread (the C library sees to that, nptl(7)), and
    /// makes sure that there is no way back.
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
        TakeEnvironment(user);
    }

    /// <summary>
    /// Does something with files as a user would: with their rights, and what is made is theirs. The process takes the user's groups and
    /// keeps them; for the thread it is root again afterwards.
    /// </summary>
    /// <param name="uid">The user.</param>
    /// <param name="gid">Their group.</param>
    /// <param name="groups">All their groups.</param>
    /// <param name="work">Does not wait for other threads.</param>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static unsafe T WithFilesOf<T>(uint uid, uint gid, IReadOnlyList<uint> groups, Func<T> work)
    {
        const uint nobody = uint.MaxValue; // is refused, so that the call only says who it is
        fixed (uint* list = groups.ToArray())
        {
            if (setgroups((nuint)groups.Count, list) != 0)
                throw Posix.Failure("setgroups");
        }

        try
        {
            _ = setfsgid(gid);
            _ = setfsuid(uid);
            return (uint)setfsuid(nobody) == uid && (uint)setfsgid(nobody) == gid ? work() : throw new IOException("the kernel does not let root use files as somebody else");
        }
        finally
        {
            _ = setfsuid(Posix.geteuid());
            _ = setfsgid(Posix.getegid());
        }
    }

    // What this process looks up from now on, and what it starts without saying more, is the user's: HOME, KUBECONFIG, XDG_….
    private static void TakeEnvironment(InvokingUser user)
    {
        foreach (string name in InvokingUser.CurrentEnvironment().Keys.Where(name => !user.Environment.ContainsKey(name)))
            Environment.SetEnvironmentVariable(name, null);
        foreach ((string name, string value) in user.Environment)
            Environment.SetEnvironmentVariable(name, value);
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
    private static unsafe partial int setgroups(nuint count, uint* groups);

    [LibraryImport("libc")]
    private static partial int setfsuid(uint uid);

    [LibraryImport("libc")]
    private static partial int setfsgid(uint gid);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresgid(uint real, uint effective, uint saved);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresuid(uint real, uint effective, uint saved);
}
