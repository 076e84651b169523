using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Sockets of the holder's network namespace, for this process to bind and connect. A small stock of each kind is kept, and filled up
/// before it is empty, so that opening one is no more than taking it. Any thread.
/// </summary>
internal sealed partial class NamespaceSockets : ISocketSource, IDisposable
{
    private const int Low = SocketMint.BatchSize / 2;
    private const int ENETDOWN = 100;
    private const short POLLIN = 1;

    // Longer than a busy machine takes; whoever waits is the loop, so not much longer.
    private const int LongestWaitMilliseconds = 1000;

    private readonly DescriptorSocket _mint;
    private readonly int _number;
    private readonly Lock _lock = new();
    private readonly Stock[] _stocks = [new(), new(), new(), new()];
    private bool _disposed;
    private bool _dead;

    /// <summary>Takes over the socket that is asked for sockets, and begins to fill the stock.</summary>
    internal NamespaceSockets(FileDescriptor mint)
    {
        _number = mint.Number;
        _mint = new DescriptorSocket(mint);
        for (byte kind = 0; kind < _stocks.Length; kind++)
            Request(kind);
    }

    /// <inheritdoc/>
    public FileDescriptor? Open(int family, int type, out int errno)
    {
        byte kind = SocketMint.KindOf(family, type);
        lock (_lock)
        {
            Stock stock = _stocks[kind];
            Collect(milliseconds: 0);
            if (stock.Sockets.Count < Low)
                Request(kind);
            while (stock.Sockets.Count == 0 && stock.Requested && Collect(LongestWaitMilliseconds))
            {
                // An answer for another kind may come first.
            }

            errno = stock.Sockets.Count > 0 ? 0 : _dead || stock.Error == 0 ? ENETDOWN : stock.Error;
            return stock.Sockets.TryPop(out FileDescriptor? socket) ? socket : null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = _dead = true;
            _mint.Shutdown();
            _mint.Dispose();
            foreach (Stock stock in _stocks)
            {
                while (stock.Sockets.TryPop(out FileDescriptor? socket))
                    socket.Dispose();
            }
        }
    }

    private void Request(byte kind)
    {
        Stock stock = _stocks[kind];
        if (stock.Requested || _dead)
            return;
        try
        {
            _mint.Send([kind], []);
            stock.Requested = true;
        }
        catch (IOException)
        {
            // The holder is gone; the channel to it says so.
            _dead = true;
        }
    }

    // False when nothing came.
    private unsafe bool Collect(int milliseconds)
    {
        bool any = false;
        Span<byte> answer = stackalloc byte[2];
        while (!_dead)
        {
            PollEntry entry = new() { Descriptor = _number, Events = POLLIN };
            if (poll(&entry, 1, any ? 0 : milliseconds) <= 0)
                return any;
            List<FileDescriptor> batch = [];
            int count;
            try
            {
                count = _mint.Receive(answer, batch);
            }
            catch (IOException)
            {
                count = 0;
            }

            if (count != answer.Length || answer[0] >= _stocks.Length)
            {
                _dead = true;
                return any;
            }

            Stock stock = _stocks[answer[0]];
            stock.Requested = false;
            stock.Error = answer[1];
            foreach (FileDescriptor socket in batch)
                stock.Sockets.Push(socket);
            any = true;
        }

        return any;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int poll(PollEntry* entries, nuint count, int milliseconds);

    /// <summary><c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    private sealed class Stock
    {
        internal Stack<FileDescriptor> Sockets { get; } = new(2 * SocketMint.BatchSize);

        internal bool Requested { get; set; }

        internal int Error { get; set; }
    }
}
