using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Makes sockets of this network namespace for a process outside of it, on a thread of its own: asked with one byte, it answers with
/// that byte, errno, and a batch of sockets.
/// </summary>
internal sealed class SocketMint
{
    /// <summary>Sockets that come with one answer; SCM_RIGHTS messages here carry no more.</summary>
    internal const int BatchSize = 16;

    private readonly DescriptorSocket _socket;

    private SocketMint(DescriptorSocket socket) => _socket = socket;

    /// <summary>Starts the thread.</summary>
    /// <returns>The end for the process outside; when that is closed, the thread ends.</returns>
    internal static FileDescriptor Start()
    {
        (DescriptorSocket mine, FileDescriptor theirs) = DescriptorSocket.CreatePair();
        new Thread(new SocketMint(mine).Serve) { IsBackground = true, Name = "socket mint" }.Start();
        return theirs;
    }

    /// <summary>The byte that stands for a kind of socket.</summary>
    internal static byte KindOf(int family, int type) => (byte)((family == Libc.AF_INET6 ? 2 : 0) + (type == Libc.SOCK_DGRAM ? 1 : 0));

    private void Serve()
    {
        byte[] request = new byte[1];
        List<FileDescriptor> batch = new(BatchSize);
        using (_socket)
        {
            try
            {
                while (_socket.Receive(request, null) == 1)
                {
                    int error = Fill(batch, request[0]);
                    _socket.Send([request[0], (byte)error], batch);
                    foreach (FileDescriptor socket in batch)
                        socket.Dispose();
                    batch.Clear();
                }
            }
            catch (IOException)
            {
                // The session is gone or does not read; the channel to it says the same, and ends everything.
            }
        }
    }

    private static int Fill(List<FileDescriptor> batch, byte kind)
    {
        int family = (kind & 2) != 0 ? Libc.AF_INET6 : Libc.AF_INET;
        int type = (kind & 1) != 0 ? Libc.SOCK_DGRAM : Libc.SOCK_STREAM;
        while (batch.Count < BatchSize)
        {
            if (SocketOptions.Open(family, type) is not { } socket)
                return batch.Count == 0 ? Libc.Errno : 0;
            batch.Add(socket);
        }

        return 0;
    }
}
