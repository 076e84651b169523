using System.Buffers.Binary;

using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>One query and its answer over TCP, each behind two bytes of length (RFC 7766 §8). The relay keeps the time.</summary>
internal sealed unsafe class DnsTcpExchange : IReadyHandler
{
    private const int PrefixLength = 2;

    private readonly DnsRelay _relay;
    private readonly DnsQuery _query;
    private readonly FileDescriptor _socket;
    private byte[] _bytes;
    private int _done;
    private bool _reading;
    private bool _closed;

    private DnsTcpExchange(DnsRelay relay, DnsQuery query, FileDescriptor socket)
    {
        _relay = relay;
        _query = query;
        _socket = socket;
        _bytes = new byte[PrefixLength + query.Message.Length];
        BinaryPrimitives.WriteUInt16BigEndian(_bytes, (ushort)query.Message.Length);
        query.Message.CopyTo(_bytes, PrefixLength);
        relay.Loop.Add(socket.Number, Readiness.Write, this);
    }

    /// <returns>Null when the kernel refuses at once.</returns>
    internal static DnsTcpExchange? Start(DnsRelay relay, DnsQuery query, TargetAddress nameServer)
    {
        int family = nameServer.Address.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6;
        FileDescriptor? socket = SocketOptions.Open(family, Libc.SOCK_STREAM);
        if (socket is null)
            return null;
        if (SocketOptions.Connect(socket, nameServer.Address, nameServer.Port) is 0 or Libc.EINPROGRESS)
            return new DnsTcpExchange(relay, query, socket);
        socket.Dispose();
        return null;
    }

    internal void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _relay.Loop.Remove(_socket.Number);
        _socket.Dispose();
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        nint count;
        fixed (byte* at = &_bytes[_done])
        {
            count = _reading
                ? Libc.recv(_socket.Number, at, (nuint)(_bytes.Length - _done), Libc.MSG_DONTWAIT)
                : Libc.send(_socket.Number, at, (nuint)(_bytes.Length - _done), Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
        }

        if (count < 0 && Libc.Errno is Libc.EAGAIN or Libc.EINTR)
            return;
        if (count <= 0)
        {
            Finish(default, now);
            return;
        }

        _done += (int)count;
        if (_done == _bytes.Length)
            Advance(now);
    }

    // The buffer is full: with what was to be sent, with the answer's length, or with the answer.
    private void Advance(long now)
    {
        if (!_reading)
        {
            _reading = true;
            _relay.Loop.Modify(_socket.Number, Readiness.Read);
            Expect(PrefixLength);
        }
        else if (_bytes.Length == PrefixLength)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(_bytes);
            if (length < DnsRelay.HeaderLength)
                Finish(default, now);
            else
                Expect(length);
        }
        else
        {
            Finish(_bytes, now);
        }
    }

    private void Expect(int length)
    {
        _bytes = new byte[length];
        _done = 0;
    }

    private void Finish(Span<byte> answer, long now)
    {
        Close();
        _relay.OnAnswer(_query, answer, now);
    }
}
