using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// Takes a directory for one session. Its mount would not tell: it may be in a namespace where others do not see it. A lock does, and it
/// ends with the process that holds it.
/// </summary>
internal static unsafe partial class MountClaim
{
    private const int Directory = 0x10000, DirectoryOnArm = 0x4000, LockExclusive = 2, LockWithoutWaiting = 4;

    /// <summary>Takes it.</summary>
    /// <param name="directory">That nothing is mounted on yet.</param>
    /// <returns>What holds it until it is disposed of; null when another session has it.</returns>
    /// <exception cref="IOException">It cannot be opened.</exception>
    internal static FileDescriptor? TryTake(string directory)
    {
        int number;
        int kind = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? DirectoryOnArm : Directory;
        fixed (byte* at = Encoding.UTF8.GetBytes(directory + '\0'))
            number = Libc.open(at, kind | Libc.O_CLOEXEC);
        if (number < 0)
            throw Libc.Failure($"opening {directory}");
        FileDescriptor claim = new(number);
        if (flock(claim.Number, LockExclusive | LockWithoutWaiting) == 0)
            return claim;
        claim.Dispose();
        return null;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int fd, int operation);
}
