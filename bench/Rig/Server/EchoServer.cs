using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Rig.Server;

/// <summary>Sends back what it gets, on any number of connections, from one epoll loop: no thread hop is part of the round trip.</summary>
internal static unsafe class EchoServer
{
    internal static void Start(ushort port)
    {
        EventLoop loop = new();
        FileDescriptor listener = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM) ?? throw Libc.Failure("socket");
        SocketOptions.Set(listener.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        if (SocketOptions.Bind(listener, NetAddress.FromIPv4(0), port, Libc.AF_INET) != 0 || Libc.listen(listener.Number, 8192) != 0)
            throw Libc.Failure($"listening on port {port}");
        loop.Add(listener.Number, Readiness.Read, new Listener(loop, listener));
        _ = loop.Start("echo").ContinueWith(static ended => Environment.FailFast("echo", ended.Exception), TaskScheduler.Default);
    }

    private sealed class Listener(EventLoop loop, FileDescriptor socket) : IReadyHandler
    {
        private readonly byte[] _buffer = new byte[64 * 1024];

        public void OnReady(Readiness readiness, long now)
        {
            int fd;
            while ((fd = Libc.accept4(socket.Number, null, null, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC)) >= 0)
            {
                SocketOptions.Set(fd, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);
                loop.Add(fd, Readiness.Read, new Connection(loop, new FileDescriptor(fd), _buffer));
            }
        }
    }

    private sealed class Connection(EventLoop loop, FileDescriptor socket, byte[] buffer) : IReadyHandler
    {
        public void OnReady(Readiness readiness, long now)
        {
            fixed (byte* at = buffer)
            {
                nint count = Libc.recv(socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
                if (count < 0 && Libc.Errno is Libc.EAGAIN or Libc.EINTR)
                    return;

                // The generators wait for each answer, so the socket always has room for it.
                if (count > 0 && Libc.send(socket.Number, at, (nuint)count, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT) == count)
                    return;
            }

            loop.Remove(socket.Number);
            socket.Dispose();
        }
    }
}
