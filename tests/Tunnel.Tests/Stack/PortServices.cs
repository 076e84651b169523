using System.Buffers.Binary;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>Small far sides for tests; the destination port chooses which.</summary>
internal sealed class PortServices : IFlowHandler
{
    public const int Echo = 7, Sink = 9, Source = 19, GreetAndClose = 20, LateReader = 21, AbortAfterData = 22, HalfClose = 23;
    public const int Refused = 101, HostUnreachable = 102, NetUnreachable = 103, AdminProhibited = 104, Silent = 105;
    public const long Seed = 42;

    public required Func<NetworkStack> Stack { get; init; }

    public List<string> Errors { get; } = [];
    public int Opened { get; private set; }
    public int Closed { get; set; }
    public int Resets { get; set; }
    public List<LateReaderService> LateReaders { get; } = [];

    public void OnTcpOpen(TcpConnection connection, long now)
    {
        Opened++;
        int port = connection.Flow.DestinationPort;
        switch (port)
        {
            case Refused: connection.Refuse(RefusalReason.Refused, now); return;
            case HostUnreachable: connection.Refuse(RefusalReason.HostUnreachable, now); return;
            case NetUnreachable: connection.Refuse(RefusalReason.NetUnreachable, now); return;
            case AdminProhibited: connection.Refuse(RefusalReason.AdminProhibited, now); return;
            case Silent: return;
            default: break;
        }
        connection.Handler = port switch
        {
            Sink => new SinkService(this),
            Source => new SourceService(this),
            GreetAndClose => new GreetService(this),
            LateReader => new LateReaderService(this, connection),
            AbortAfterData => new AbortService(this),
            HalfClose => new HalfCloseService(this),
            _ => new EchoService(this),
        };
        ((TcpService)connection.Handler).Start(connection, now);
    }

    public void OnDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now)
    {
        if (flow.DestinationPort == Refused)
            Stack().SendUnreachable(flow, RefusalReason.Refused, now);
        else if (flow.DestinationPort == HostUnreachable)
            Stack().SendUnreachable(flow, RefusalReason.HostUnreachable, now);
        else
            Stack().SendDatagram(flow, payload, now);
    }

    public void OnEcho(in EchoRequest request, long now) => Stack().ReplyEcho(request, now);

    internal abstract class TcpService(PortServices owner) : ITcpHandler
    {
        public PortServices Owner { get; } = owner;

        public virtual void Start(TcpConnection connection, long now)
        {
            connection.SetReceiveSpace(1 << 20);
            connection.Accept(now);
        }

        public virtual void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now) => connection.SetReceiveSpace(1 << 20);
        public virtual void OnEnd(TcpConnection connection, long now) => connection.SendEnd(now);
        public virtual void OnSendSpace(TcpConnection connection, int acknowledged, long now) { }
        public void OnReset(TcpConnection connection, long now) => Owner.Resets++;
        public void OnClosed(TcpConnection connection, long now) => Owner.Closed++;
    }

    /// <summary>Sends back what comes, and lets no more come than it could send back.</summary>
    private sealed class EchoService(PortServices owner) : TcpService(owner)
    {
        private const int Limit = 1 << 20;

        public override void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            if (connection.Send(bytes, now) != bytes.Length)
                Owner.Errors.Add("The send queue did not take what the window had let in.");
            connection.SetReceiveSpace(Limit - connection.SendQueued);
        }

        public override void OnSendSpace(TcpConnection connection, int acknowledged, long now) =>
            connection.SetReceiveSpace(Limit - connection.SendQueued);
    }

    /// <summary>Checks an upload against the pattern; answers its end with the length, 8 bytes big-endian.</summary>
    private sealed class SinkService(PortServices owner) : TcpService(owner)
    {
        private long _received;

        public override void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            int wrong = Pattern.FirstError(bytes, Seed, _received);
            if (wrong >= 0)
                Owner.Errors.Add($"Upload differs at {_received + wrong}.");
            _received += bytes.Length;
            connection.SetReceiveSpace(1 << 20);
        }

        public override void OnEnd(TcpConnection connection, long now)
        {
            Span<byte> answer = stackalloc byte[8];
            BinaryPrimitives.WriteInt64BigEndian(answer, _received);
            connection.Send(answer, now);
            connection.SendEnd(now);
        }
    }

    /// <summary>Reads a length (8 bytes big-endian), sends that much of the pattern, ends.</summary>
    private sealed class SourceService(PortServices owner) : TcpService(owner)
    {
        private readonly byte[] _piece = new byte[32 * 1024];
        private long _length = -1;
        private long _sent;

        public override void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            _length = BinaryPrimitives.ReadInt64BigEndian(bytes);
            Fill(connection, now);
        }

        public override void OnEnd(TcpConnection connection, long now) { }

        public override void OnSendSpace(TcpConnection connection, int acknowledged, long now)
        {
            if (_length >= 0)
                Fill(connection, now);
        }

        private void Fill(TcpConnection connection, long now)
        {
            while (_sent < _length && connection.SendQueued < 1 << 20)
            {
                int count = (int)Math.Min(_piece.Length, _length - _sent);
                Pattern.Fill(_piece.AsSpan(0, count), Seed, _sent);
                _sent += connection.Send(_piece.AsSpan(0, count), now);
            }
            if (_sent == _length)
                connection.SendEnd(now);
        }
    }

    /// <summary>Speaks first and ends at once: the far side closes before the program does.</summary>
    private sealed class GreetService(PortServices owner) : TcpService(owner)
    {
        public override void Start(TcpConnection connection, long now)
        {
            connection.Send("hello\n"u8, now);
            connection.SendEnd(now);
            base.Start(connection, now);
        }
    }

    /// <summary>Takes 64 KiB and no more until it is told to.</summary>
    internal sealed class LateReaderService(PortServices owner, TcpConnection connection) : TcpService(owner)
    {
        private long _received;
        private bool _open;

        public override void Start(TcpConnection connection1, long now)
        {
            Owner.LateReaders.Add(this);
            connection.SetReceiveSpace(64 * 1024);
            connection.Accept(now);
        }

        public long Received => _received;

        public void Open()
        {
            _open = true;
            connection.SetReceiveSpace(1 << 20);
        }

        public override void OnData(TcpConnection connection1, ReadOnlySpan<byte> bytes, long now)
        {
            int wrong = Pattern.FirstError(bytes, Seed, _received);
            if (wrong >= 0)
                Owner.Errors.Add($"Upload differs at {_received + wrong}.");
            _received += bytes.Length;
            if (_open)
                connection.SetReceiveSpace(1 << 20);
        }
    }

    private sealed class AbortService(PortServices owner) : TcpService(owner)
    {
        public override void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now) => connection.Abort(now);
    }

    /// <summary>Ends its own direction at once and keeps reading; counts what comes afterwards as an upload.</summary>
    private sealed class HalfCloseService(PortServices owner) : TcpService(owner)
    {
        private long _received;

        public override void Start(TcpConnection connection, long now)
        {
            base.Start(connection, now);
            connection.SendEnd(now);
        }

        public override void OnData(TcpConnection connection, ReadOnlySpan<byte> bytes, long now)
        {
            int wrong = Pattern.FirstError(bytes, Seed, _received);
            if (wrong >= 0)
                Owner.Errors.Add($"Upload differs at {_received + wrong}.");
            _received += bytes.Length;
            connection.SetReceiveSpace(1 << 20);
        }
    }
}
