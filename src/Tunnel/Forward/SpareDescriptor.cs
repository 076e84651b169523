using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Accepts connections, also when the process has no descriptor left: then the caller is disconnected at once. Left in the queue it would
/// keep the listening socket ready and the loop spinning.
/// </summary>
internal sealed unsafe class SpareDescriptor
{
    private int _spare = Reserve();

    /// <summary>accept4(2), non-blocking and closed on exec.</summary>
    /// <param name="listener">The listening socket.</param>
    /// <param name="caller">Who called.</param>
    /// <returns>Null when none is waiting, or the one that was could not be taken.</returns>
    internal FileDescriptor? Accept(FileDescriptor listener, out SocketAddress caller)
    {
        // There was none left when the spare one had been used.
        if (_spare < 0)
            _spare = Reserve();
        SocketAddress from = default;
        uint length = SocketAddress.Size;
        int fd = Libc.accept4(listener.Number, &from, &length, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        caller = from;
        if (fd >= 0)
            return new FileDescriptor(fd);
        if (Libc.Errno is Libc.EMFILE or Libc.ENFILE && _spare >= 0)
        {
            _ = Libc.close(_spare);
            fd = Libc.accept4(listener.Number, null, null, Libc.SOCK_CLOEXEC);
            if (fd >= 0)
                _ = Libc.close(fd);
            _spare = Reserve();
        }

        return null;
    }

    internal void Close()
    {
        if (_spare >= 0)
            _ = Libc.close(_spare);
        _spare = -1;
    }

    private static int Reserve() => Libc.eventfd(0, Libc.O_CLOEXEC);
}
