using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class DatagramDialerTests : IDisposable
{
    private const long IdleTimeout = 60_000_000;
    private const string PingGroupRange = "/proc/sys/net/ipv4/ping_group_range";

    private readonly SessionPair _pair;
    private readonly DatagramDialer _dialer;
    private readonly StreamRecorder _near = new();

    public DatagramDialerTests()
    {
        DatagramDialer? dialer = null;
        _pair = new SessionPair((stream, target, now) =>
        {
            Assert.True(TargetAddress.TryDecode(target, out TargetAddress address));
            if (stream.Kind == StreamKind.Echo)
                dialer!.DialEcho(stream, address, now);
            else
                dialer!.DialUdp(stream, address, now);
        });
        _dialer = dialer = new DatagramDialer(_pair.Loop, IdleTimeout);
        _pair.Link();
    }

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void A_pinged_host_may_answer_more_than_it_was_sent()
    {
        (FileDescriptor near, FileDescriptor far) = DatagramPair();
        using (far)
        {
            _pair.ServerEvents.Serve = (opened, _, now) => _dialer.Begin(new EchoProber(_dialer, near, opened, isIPv4: true, now), opened, now);
            MuxStream stream = Open(StreamKind.Echo, "192.0.2.1", 0);
            stream.WriteDatagram([0, 7, 0, 9, 1, 2, 3], _pair.Loop.Now);
            byte[] icmp = new byte[65_535 - 20];
            _pair.Turns.Until(() => Receive(far, icmp) > 0);
            icmp[0] = 0;
            Send(far, icmp);
            _pair.Turns.Until(() => _near.Datagrams.Count == 1);
            Assert.Equal([0, 7, 0, 9, 1, 2, 3], _near.Datagrams[0][..7]);
            Assert.Equal(icmp.Length - 4, _near.Datagrams[0].Length);
            stream.Reset(RefuseCode.None, _pair.Loop.Now);
            _pair.Turns.Until(() => _dialer.OpenCount == 0);
        }
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Datagrams_keep_their_boundaries_in_both_directions(string address)
    {
        using Socket server = Bind(address);
        MuxStream stream = Open(StreamKind.Udp, address, PortOf(server));
        byte[][] sent = [[], [1], LinkPumpTests.RandomBytes(1400), LinkPumpTests.RandomBytes(60_000)];
        byte[] buffer = new byte[65_536];
        EndPoint from = new IPEndPoint(IPAddress.Parse(address), 0);
        foreach (byte[] datagram in sent)
        {
            stream.WriteDatagram(datagram, _pair.Loop.Now);
            _pair.Turns.Until(() => server.Poll(0, SelectMode.SelectRead));
            int count = server.ReceiveFrom(buffer, ref from);
            Assert.Equal(datagram, buffer[..count]);
            server.SendTo(buffer.AsSpan(0, count), from);
        }

        _pair.Turns.Until(() => _near.Datagrams.Count == sent.Length);
        Assert.Equal(sent, _near.Datagrams);
    }

    [Fact]
    public void A_port_where_nobody_listens_resets_the_flow_as_refused()
    {
        using ReservedDatagramPort nobodys = new();
        MuxStream stream = Open(StreamKind.Udp, "127.0.0.1", nobodys.Number);
        stream.WriteDatagram("anyone?"u8, _pair.Loop.Now);
        _pair.Turns.Until(() => _near.Reset is not null);
        Assert.Equal(RefuseCode.Refused, _near.Reset);
        Assert.Equal(0, _dialer.OpenCount);
    }

    [Fact]
    public void A_target_without_a_route_is_refused_as_unreachable()
    {
        Open(StreamKind.Udp, "198.51.100.1", 53);
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.NetUnreachable, _near.Refused);
    }

    [Fact]
    public void An_idle_flow_is_closed_and_a_busy_one_is_not()
    {
        using Socket server = Bind("127.0.0.1");
        MuxStream idle = Open(StreamKind.Udp, "127.0.0.1", PortOf(server));
        StreamRecorder busyEvents = new();
        MuxStream busy = _pair.Client.Open(
            StreamKind.Udp, new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(server)).ToBytes(), busyEvents, _pair.Loop.Now)!;
        _pair.Turns.Until(() => _dialer.OpenCount == 2);
        long opened = _dialer.NextDeadline - IdleTimeout;
        busy.WriteDatagram("x"u8, _pair.Loop.Now);
        _pair.Turns.Until(() => server.Available > 0);
        _dialer.OnTurn(opened + IdleTimeout);
        _pair.Turns.Until(() => _near.Reset is not null);
        Assert.Equal(RefuseCode.TimedOut, _near.Reset);
        Assert.Null(busyEvents.Reset);
        Assert.True(idle.IsClosed);
        Assert.Equal(1, _dialer.OpenCount);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_ping_comes_back_with_the_identifier_and_sequence_it_went_with(string address)
    {
        string before = File.ReadAllText(PingGroupRange);
        File.WriteAllText(PingGroupRange, "0 2147483647");
        try
        {
            MuxStream stream = Open(StreamKind.Echo, address, 0);
            byte[] message = new byte[60];
            for (ushort i = 0; i < 3; i++)
            {
                int length = EchoMessage.Write(message, (ushort)(0xbee0 + i), (ushort)(7 * i), "payload"u8);
                stream.WriteDatagram(message.AsSpan(0, length), _pair.Loop.Now);
            }

            stream.WriteDatagram("sh"u8, _pair.Loop.Now);
            _pair.Turns.Until(() => _near.Datagrams.Count == 3);
            for (ushort i = 0; i < 3; i++)
            {
                Assert.Equal(0xbee0 + i, BinaryPrimitives.ReadUInt16BigEndian(_near.Datagrams[i]));
                Assert.Equal(7 * i, BinaryPrimitives.ReadUInt16BigEndian(_near.Datagrams[i].AsSpan(2)));
                Assert.Equal("payload"u8.ToArray(), _near.Datagrams[i][4..]);
            }
        }
        finally
        {
            File.WriteAllText(PingGroupRange, before);
        }
    }

    [Fact]
    public void A_pod_that_may_not_ping_says_so()
    {
        string before = File.ReadAllText(PingGroupRange);
        File.WriteAllText(PingGroupRange, "1 0");
        try
        {
            Assert.False(DatagramDialer.MayPing());
            Open(StreamKind.Echo, "127.0.0.1", 0);
            _pair.Turns.Until(() => _near.Refused is not null);
            Assert.Equal(RefuseCode.Prohibited, _near.Refused);
            Assert.Contains("ping_group_range", _near.Reason, StringComparison.Ordinal);
        }
        finally
        {
            File.WriteAllText(PingGroupRange, before);
        }
    }

    private static Socket Bind(string address)
    {
        IPAddress ip = IPAddress.Parse(address);
        Socket socket = new(ip.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(ip, 0));
        return socket;
    }

    private static ushort PortOf(Socket socket) => (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;

    private MuxStream Open(StreamKind kind, string address, ushort port) =>
        _pair.Client.Open(kind, new TargetAddress(NetAddress.Parse(address), port).ToBytes(), _near, _pair.Loop.Now)!;

    private static unsafe (FileDescriptor Near, FileDescriptor Far) DatagramPair()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0, pair));
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }

    private static unsafe int Receive(FileDescriptor socket, byte[] buffer)
    {
        fixed (byte* at = buffer)
            return (int)Libc.recv(socket.Number, at, (nuint)buffer.Length, Libc.MSG_DONTWAIT);
    }

    private static unsafe void Send(FileDescriptor socket, byte[] bytes)
    {
        fixed (byte* at = bytes)
            Assert.Equal(bytes.Length, Libc.send(socket.Number, at, (nuint)bytes.Length, Libc.MSG_DONTWAIT));
    }
}
