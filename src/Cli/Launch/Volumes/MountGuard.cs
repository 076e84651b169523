using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// What root mounts, and makes, for a user whose own process says where. It never shows what is not the user's, never covers what programs
/// trust that run as root, makes names in the user's directories with the user's rights, and follows no link that the user could have put
/// there in the meantime.
/// </summary>
/// <remarks>
/// <para>A place is opened, looked at, and used as /proc/self/fd/N from then on: it stays what it was when it was looked at.</para>
/// <para>Without a user (the process has that user's rights and no others, or is root's own) everything is done as asked for.</para>
/// </remarks>
/// <param name="user">For whom root acts, or null.</param>
internal sealed unsafe partial class MountGuard(HolderUser? user)
{
    private const string Run = "/run";

    // Programs, libraries and settings of programs that are root's, or become root: sudo, su, mount, whatever sudo starts.
    private static readonly string[] Trusted =
    [
        "/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/sbin", "/sys", "/usr", "/nix", "/gnu",
        "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/run/dbus", "/run/nscd", "/run/sudo", "/run/systemd", "/var/db", "/var/lib/sss", "/var/lib/sudo",
    ];

    // Beginnings of names in /etc: ld.so.preload, pam.d, sudoers.d …
    private static readonly string[] TrustedSettings =
    [
        "alternatives", "cron", "doas", "environment", "group", "gshadow", "ld", "login", "nsswitch", "pam", "passwd", "polkit", "profile", "security",
        "shadow", "static", "sub", "sudo", "systemd",
    ];

    /// <summary>For whom root acts, or null.</summary>
    internal HolderUser? User => user;

    /// <summary>A place that something is to be mounted on.</summary>
    /// <param name="path">Absolute, without links.</param>
    /// <exception cref="IOException">It leads elsewhere, or root must not cover it; the message is part of a sentence.</exception>
    internal MountPlace Target(string path)
    {
        Check(path);
        return Itself(path);
    }

    /// <summary>Whether a place may be covered.</summary>
    /// <exception cref="IOException">It may not.</exception>
    internal void Check(string path)
    {
        if (user is not null && IsTrusted(path))
            throw new IOException("programs that run as root trust what this machine has there");
    }

    /// <summary>A place that stays what it is.</summary>
    /// <param name="path">Absolute, without links.</param>
    /// <exception cref="IOException">It leads elsewhere.</exception>
    internal MountPlace Itself(string path)
    {
        MountPlace place = Open(path);
        if (user is null || path == "/" || File.ResolveLinkTarget(place.Path, returnFinalTarget: false)?.FullName == path)
            return place;
        place.Dispose();
        throw new IOException($"{path} has become something else");
    }

    /// <summary>What is to be shown elsewhere.</summary>
    /// <exception cref="IOException">It is not the user's.</exception>
    internal MountPlace Source(string path)
    {
        MountPlace place = Open(path);
        if (user is null || OwnerOf(place) == user.Uid)
            return place;
        place.Dispose();
        throw new IOException($"{path} is somebody else's");
    }

    /// <summary>Covers a directory by one that holds the same; see <see cref="Veil"/>.</summary>
    /// <param name="directory">Absolute, without links.</param>
    /// <param name="leaveOut">A name that is not taken over.</param>
    /// <param name="scratch">An empty directory of the user's.</param>
    /// <exception cref="IOException">It could not be done.</exception>
    internal void Cover(string directory, string leaveOut, string scratch)
    {
        if (user is null)
        {
            Veil.Cover(directory, leaveOut, scratch);
            return;
        }

        using MountPlace place = Itself(directory), run = Itself(Run);
        if (OwnerOf(place) == user.Uid)
            throw new IOException($"{directory} is the user's to change");

        // What is put together in a directory of the user's could be led astray.
        string own = string.Create(CultureInfo.InvariantCulture, $"telepresence-{Environment.ProcessId}"), workplace = Path.Combine(Run, own);
        Directory.CreateDirectory(workplace, DaemonPaths.Private);
        try
        {
            string inside = Directory.CreateDirectory(Path.Combine(workplace, "veil")).FullName;
            Veil.Cover(directory == "/" ? directory : place.Path, leaveOut, inside);
        }
        finally
        {
            Directory.Delete(Path.Combine(run.Path, own), recursive: true);

            // A veil over /run has taken it over.
            if (Directory.Exists(workplace))
            {
                MountCalls.Detach(workplace);
                Directory.Delete(workplace);
            }
        }
    }

    /// <summary>Makes directories one in the other, the last perhaps a file, all of them the user's.</summary>
    /// <param name="parent">Where.</param>
    /// <param name="names">The names.</param>
    /// <param name="isDirectory">Whether the last is a directory.</param>
    /// <param name="isVeil">Whether the parent is a directory of ours, where the user may make nothing.</param>
    /// <exception cref="IOException">It could not be done.</exception>
    internal void Make(string parent, IReadOnlyList<string> names, bool isDirectory, bool isVeil)
    {
        if (user is null)
        {
            Make(parent, names, isDirectory);
            return;
        }

        if (!isVeil)
        {
            Privileges.WithFilesOf(user.Uid, user.Gid, user.Groups, () => Make(parent, names, isDirectory));
            return;
        }

        using MountPlace place = Itself(parent);
        if (OwnerOf(place) != 0)
            throw new IOException($"{parent} has become something else");

        // Nobody can change what is in root's directories; so the innermost is given away first.
        foreach (string made in Make(place.Path, names, isDirectory))
            Posix.ChangeOwner(made, user.Uid, user.Gid);
    }

    /// <summary>Whether root's programs trust what is at a path, or below it.</summary>
    internal static bool IsTrusted(string path) =>
        Array.Exists(Trusted, trusted => VolumePaths.IsBelow(path, trusted) || VolumePaths.IsBelow(trusted, path))
        || (path.StartsWith("/etc/", StringComparison.Ordinal) && Array.Exists(TrustedSettings, name => path.AsSpan(5).StartsWith(name)));

    // Innermost first.
    private static List<string> Make(string parent, IReadOnlyList<string> names, bool isDirectory)
    {
        List<string> made = [];
        for (int at = 0; at < names.Count; at++)
        {
            parent = Path.Combine(parent, names[at]);
            if (at < names.Count - 1 || isDirectory)
                Directory.CreateDirectory(parent);
            else
                File.Create(parent).Dispose();
            made.Insert(0, parent);
        }

        return made;
    }

    private MountPlace Open(string path)
    {
        const int justAPlace = 0x200000, closeOnExec = 0x80000;
        if (user is null)
            return new MountPlace(path, null);
        int fd;
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
            fd = open(at, justAPlace | closeOnExec);
        if (fd < 0)
            throw Libc.Failure(path);
        return new MountPlace(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}"), new FileDescriptor(fd));
    }

    private static uint OwnerOf(MountPlace place) =>
        FileStatus.Read(place.Path, follow: true, out FileStatus status) == 0 ? status.Owner : throw Libc.Failure(place.Path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int open(byte* path, int flags);
}

/// <summary>A place for mount(2), held open.</summary>
/// <param name="path">What to call it.</param>
/// <param name="held">What holds it, or null.</param>
internal sealed class MountPlace(string path, FileDescriptor? held) : IDisposable
{
    /// <summary>What to call it: its path, or that of a descriptor that holds it.</summary>
    internal string Path => path;

    /// <inheritdoc/>
    public void Dispose() => held?.Dispose();
}
