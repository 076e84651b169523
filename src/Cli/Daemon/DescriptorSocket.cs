using System.Runtime.InteropServices;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// One end of a Unix socket pair that carries whole messages with open file descriptors (SCM_RIGHTS, unix(7)).
/// </summary>
/// <remarks>
/// A pair that is made before the other process starts, and inherited by it: there is no name in the file system that somebody else
/// could connect to, and the end of either process is the end of the stream for the other.
/// </remarks>
internal sealed unsafe partial class DescriptorSocket : IDisposable
{
    private const int SOL_SOCKET = 1, SCM_RIGHTS = 1;
    private const int SO_SNDBUF = 7, SO_SNDTIMEO = 21;
    private const int HeaderLength = 16;
    private const int MaxDescriptors = 16;
    private const int MaxMessage = 1 << 20;
    private const long LongestSend = 2;

    private readonly FileDescriptor _descriptor;

    /// <summary>Takes over a descriptor.</summary>
    internal DescriptorSocket(FileDescriptor descriptor)
    {
        _descriptor = descriptor;
        int size = MaxMessage;
        _ = setsockopt(descriptor.Number, SOL_SOCKET, SO_SNDBUF, &size, sizeof(int));

        // struct timeval. Whoever is at the other end and does not read (stopped, or hostile) must not stop this process.
        long* limit = stackalloc long[] { LongestSend, 0 };
        _ = setsockopt(descriptor.Number, SOL_SOCKET, SO_SNDTIMEO, limit, 2 * sizeof(long));
    }

    /// <summary>Makes a pair; neither end is inherited until somebody says so.</summary>
    internal static (DescriptorSocket Mine, FileDescriptor Theirs) CreatePair()
    {
        int* pair = stackalloc int[2];
        if (Posix.socketpair(Posix.AF_UNIX, Posix.SOCK_SEQPACKET | Posix.SOCK_CLOEXEC, 0, pair) != 0)
            throw Posix.Failure("socketpair");
        return (new DescriptorSocket(new FileDescriptor(pair[0])), new FileDescriptor(pair[1]));
    }

    /// <summary>Sends a message; the descriptors stay open here.</summary>
    /// <exception cref="IOException">The other process is gone, does not read (EAGAIN), or the message is too long for the socket.</exception>
    internal void Send(ReadOnlySpan<byte> bytes, IReadOnlyList<FileDescriptor> descriptors)
    {
        if (descriptors.Count > MaxDescriptors)
            throw new ArgumentException($"at most {MaxDescriptors} descriptors travel with a message", nameof(descriptors));
        byte* control = stackalloc byte[HeaderLength + (MaxDescriptors * sizeof(int))];
        fixed (byte* at = bytes)
        {
            Vector vector = new() { Base = at, Length = (nuint)bytes.Length };
            Header header = new() { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Count > 0)
            {
                // struct cmsghdr: length, level, type; then the numbers. The whole is padded to 8 bytes.
                nuint length = (nuint)(HeaderLength + (descriptors.Count * sizeof(int)));
                *(nuint*)control = length;
                ((int*)control)[2] = SOL_SOCKET;
                ((int*)control)[3] = SCM_RIGHTS;
                for (int i = 0; i < descriptors.Count; i++)
                    ((int*)(control + HeaderLength))[i] = descriptors[i].Number;
                header.Control = control;
                header.ControlLength = (length + 7) & ~(nuint)7;
            }

            while (sendmsg(_descriptor.Number, &header, Posix.MSG_NOSIGNAL) < 0)
            {
                if (Marshal.GetLastPInvokeError() != Posix.EINTR)
                    throw Posix.Failure("sending to the other daemon");
            }
        }
    }

    /// <summary>Waits for a message.</summary>
    /// <param name="buffer">Room for it.</param>
    /// <param name="descriptors">What came with it; the caller owns them. Null where nothing may come: the kernel closes it then.</param>
    /// <returns>Its length; 0 when the other process is gone.</returns>
    /// <exception cref="IOException">The message is too long, or brings what it may not.</exception>
    internal int Receive(Span<byte> buffer, List<FileDescriptor>? descriptors)
    {
        int controlLength = descriptors is null ? 0 : HeaderLength + (MaxDescriptors * sizeof(int));
        byte* control = stackalloc byte[controlLength];
        fixed (byte* at = buffer)
        {
            Vector vector = new() { Base = at, Length = (nuint)buffer.Length };
            Header header = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = (nuint)controlLength };
            nint count;
            while ((count = recvmsg(_descriptor.Number, &header, Posix.MSG_CMSG_CLOEXEC)) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Posix.ECONNRESET)
                    return 0;
                if (error != Posix.EINTR)
                    throw Posix.Failure("receiving from the other daemon");
            }

            if (descriptors is not null && header.ControlLength >= HeaderLength && ((int*)control)[2] == SOL_SOCKET && ((int*)control)[3] == SCM_RIGHTS)
            {
                int numbers = ((int)*(nuint*)control - HeaderLength) / sizeof(int);
                for (int i = 0; i < numbers; i++)
                    descriptors.Add(new FileDescriptor(((int*)(control + HeaderLength))[i]));
            }

            return (header.Flags & (Posix.MSG_TRUNC | Posix.MSG_CTRUNC)) == 0 ? (int)count : throw new IOException("a message from the other daemon was cut off");
        }
    }

    /// <summary>Wakes a thread that waits in <see cref="Receive"/>, here and at the other end.</summary>
    internal void Shutdown() => _ = Posix.shutdown(_descriptor.Number, Posix.SHUT_RDWR);

    /// <inheritdoc/>
    public void Dispose() => _descriptor.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, Header* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(int fd, Header* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    /// <summary><c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        internal byte* Base;
        internal nuint Length;
    }

    /// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        internal void* Name;
        internal uint NameLength;
        internal Vector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }
}
