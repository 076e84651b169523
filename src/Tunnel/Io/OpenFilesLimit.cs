using System.Runtime.InteropServices;

namespace Telepresence.Tunnel.Io;

/// <summary>How many descriptors this process may have open: each connection takes one, and a login shell or a container often gives 1,024.</summary>
internal static unsafe partial class OpenFilesLimit
{
    private const int RLIMIT_NOFILE = 7;

    /// <summary>Goes to the most that the system allows this process. What it starts from then on has that limit too, which programs that use
    /// select(2) cannot stand: so a user's command is started before.</summary>
    internal static void Raise()
    {
        ResourceLimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
            throw Libc.Failure("getrlimit");
        limit.Soft = limit.Hard;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            throw Libc.Failure("setrlimit");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getrlimit(int resource, ResourceLimit* limit);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setrlimit(int resource, ResourceLimit* limit);

    // struct rlimit of 64-bit machines.
    private struct ResourceLimit
    {
        internal nuint Soft;
        internal nuint Hard;
    }
}
