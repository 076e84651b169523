using System.Net;
using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Rig.Tunnel;

/// <summary>
/// Links to a proxy that listens on the loopback of another network namespace: one TCP connection, as a port-forward would carry it, and
/// nothing else. A socket belongs to the namespace in which it was made, wherever its owner runs.
/// </summary>
/// <param name="target">The proxy's address there.</param>
/// <param name="netns">The namespace's file (/run/netns/NAME); null for this process's own.</param>
internal sealed unsafe partial class NamespaceLinkSource(IPEndPoint target, string? netns) : ILinkSource
{
    private const int CLONE_NEWNET = 0x40000000, PollMilliseconds = 10_000;

    public Task<Link> ConnectAsync(CancellationToken cancellation)
    {
        TaskCompletionSource<Link> made = new(TaskCreationOptions.RunContinuationsAsynchronously);

        // setns(2) moves a thread, so it is one that ends afterwards.
        new Thread(() =>
        {
            try
            {
                if (netns is not null)
                    Enter(netns);
                made.SetResult(new Link(Connect()));
            }
            catch (IOException failure)
            {
                Console.Error.WriteLine(failure.Message);
                made.SetException(failure);
            }
        }).Start();
        return made.Task;
    }

    /// <summary>Moves the calling thread.</summary>
    /// <exception cref="IOException">The namespace is not there, or may not be entered.</exception>
    internal static bool Enter(string netns)
    {
        // Not a FileStream: it wants to seek, and a namespace cannot.
        int fd;
        fixed (byte* path = Encoding.UTF8.GetBytes(netns + '\0'))
            fd = Libc.open(path, Libc.O_CLOEXEC);
        if (fd < 0)
            throw Libc.Failure(netns);
        using FileDescriptor file = new(fd);
        if (setns(fd, CLONE_NEWNET) != 0)
            throw Libc.Failure($"setns to {netns}");
        return true;
    }

    private FileDescriptor Connect()
    {
        FileDescriptor socket = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM) ?? throw Libc.Failure("socket");
        int error = SocketOptions.Connect(socket, NetAddress.FromIPAddress(target.Address), (ushort)target.Port);
        if (error == Libc.EINPROGRESS)
        {
            PollRequest request = new() { Descriptor = socket.Number, Events = 4 };
            error = poll(ref request, 1, PollMilliseconds) == 1 ? SocketOptions.TakeError(socket.Number) : Libc.ETIMEDOUT;
        }

        if (error == 0)
            return socket;
        socket.Dispose();
        throw new IOException($"connecting to {target}: {Libc.Describe(error)}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int descriptor, int kind);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollRequest request, nuint count, int timeout);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }
}
