using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>Mounts of the holder's own, made of files in memory; what they do is seen by nobody outside and vanishes with the namespace.</summary>
internal static class Workshop
{
    // One of them is there on every machine; each is covered only for as long as it takes to make a few files.
    private static readonly string[] Places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/mnt"];

    /// <summary>
    /// Runs <paramref name="make"/> with a directory in memory, which has no name any more when it returns: what was bound from there stays.
    /// Nothing is ever written to a disk of the machine.
    /// </summary>
    /// <exception cref="IOException">The kernel refused, or <paramref name="make"/> failed.</exception>
    internal static void With(Action<string> make)
    {
        string directory = Array.Find(Places, Directory.Exists) ?? throw new IOException($"none of {string.Join(", ", Places)} is a directory");
        MountCalls.Tmpfs(directory);
        try
        {
            make(directory);
        }
        catch
        {
            MountCalls.Detach(directory);
            throw;
        }

        if (!MountCalls.Detach(directory))
            throw Libc.Failure($"uncovering {directory}");
    }
}
