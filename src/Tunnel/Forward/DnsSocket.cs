using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>A UDP socket connected to one name server, used for a limited time and number of queries.</summary>
internal sealed unsafe class DnsSocket : IReadyHandler
{
    private const int MaxQueries = 1000, AnswersPerReady = 64;
    private const long MaxAge = 30_000_000;

    private readonly DnsRelay _relay;
    private readonly FileDescriptor _socket;
    private readonly long _opened;
    private int _sent;
    private int _waiting;
    private bool _retired;
    private bool _closed;

    private DnsSocket(DnsRelay relay, FileDescriptor socket, long now)
    {
        _relay = relay;
        _socket = socket;
        _opened = now;
        relay.Loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <returns>Null when the kernel refuses, for instance because there is no route.</returns>
    internal static DnsSocket? Open(DnsRelay relay, TargetAddress nameServer, long now)
    {
        int family = nameServer.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = SocketOptions.Open(family, Libc.SOCK_DGRAM);
        if (socket is null)
            return null;
        if (SocketOptions.Connect(socket, nameServer.Address, nameServer.Port) == 0)
            return new DnsSocket(relay, socket, now);
        socket.Dispose();
        return null;
    }

    /// <summary>Whether it is time for a fresh one.</summary>
    internal bool IsWorn(long now) => _sent >= MaxQueries || now - _opened >= MaxAge;

    internal void Retain() => _waiting++;

    internal void Release()
    {
        _waiting--;
        CloseIfUnused();
    }

    /// <summary>No query will be sent any more; those under way may still be answered.</summary>
    internal void Retire()
    {
        _retired = true;
        CloseIfUnused();
    }

    /// <returns>False when the name server is known to be unreachable. A full queue is no failure: the query is lost as on any network.</returns>
    internal bool Send(ReadOnlySpan<byte> message)
    {
        if (_closed)
            return false;
        _sent++;
        nint sent;
        do
        {
            fixed (byte* at = message)
                sent = Libc.send(_socket.Number, at, (nuint)message.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        }
        while (sent < 0 && Libc.Errno == Libc.EINTR);
        return sent >= 0 || Libc.Errno is Libc.EAGAIN or Libc.ENOBUFS;
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AnswersPerReady && !_closed; i++)
        {
            nint count;
            fixed (byte* at = _relay.Buffer)
                count = Libc.recv(_socket.Number, at, (nuint)_relay.Buffer.Length, Libc.MSG_DONTWAIT);
            if (count >= 0)
                _relay.OnAnswer(this, _relay.Buffer.AsSpan(0, (int)count), now);
            else if (Libc.Errno == Libc.EAGAIN)
                return;
            else if (Libc.Errno != Libc.EINTR)
                _relay.OnUnreachable(this, now);
        }
    }

    private void CloseIfUnused()
    {
        if (!_retired || _waiting > 0 || _closed)
            return;
        _closed = true;
        _relay.Loop.Remove(_socket.Number);
        _socket.Dispose();
    }
}
