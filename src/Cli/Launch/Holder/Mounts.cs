using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>mount(2) for a mount namespace of one's own; what it does is seen by nobody outside and vanishes with the namespace.</summary>
internal static partial class Mounts
{
    private const ulong MS_BIND = 0x1000, MS_RDONLY = 1;
    private const int MNT_DETACH = 2;

    // One of them is there on every machine; each is covered only for as long as it takes to make a few files.
    private static readonly string[] Workshops = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/mnt"];

    /// <summary>Shows <paramref name="source"/> at <paramref name="target"/>; links at both are followed.</summary>
    /// <exception cref="IOException">The kernel refused; <see cref="Exception.HResult"/> is errno.</exception>
    internal static void Bind(string source, string target) => Mount(source, target, null, MS_BIND, null);

    /// <summary>Puts an empty directory in memory over <paramref name="target"/>.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static void Cover(string target) => Mount("telepresence", target, "tmpfs", 0, "mode=0755");

    /// <summary>Shows the files of <paramref name="upper"/> among those of <paramref name="target"/>, which is read-only from then on.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static void Overlay(string upper, string target) => Mount("telepresence", target, "overlay", MS_RDONLY, $"lowerdir={upper}:{target}");

    /// <summary>
    /// Runs <paramref name="make"/> with a directory in memory, which has no name any more when it returns: what was bound from there stays.
    /// Nothing is ever written to a disk of the machine.
    /// </summary>
    /// <exception cref="IOException">The kernel refused, or <paramref name="make"/> failed.</exception>
    internal static void WithWorkshop(Action<string> make)
    {
        string directory = Array.Find(Workshops, Directory.Exists) ?? throw new IOException($"none of {string.Join(", ", Workshops)} is a directory");
        Cover(directory);
        try
        {
            make(directory);
        }
        catch
        {
            _ = umount2(directory, MNT_DETACH);
            throw;
        }

        if (umount2(directory, MNT_DETACH) != 0)
            throw Posix.Failure($"uncovering {directory}");
    }

    private static void Mount(string source, string target, string? type, ulong flags, string? data)
    {
        if (mount(source, target, type, flags, data) != 0)
            throw Posix.Failure($"mounting at {target}");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string source, string target, string? type, ulong flags, string? data);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int umount2(string target, int flags);
}
