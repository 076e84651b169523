using System.Net;
using System.Net.Sockets;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class PortListenerTests : IDisposable
{
    private readonly SessionPair _pair;
    private readonly PortListener _listener;
    private readonly StreamRecorder _request = new();

    public PortListenerTests()
    {
        PortListener? listener = null;
        SessionPair? pair = null;
        _pair = pair = new SessionPair((stream, target, now) =>
        {
            Assert.True(ListenTarget.TryDecode(target, out ListenTarget listen));
            listener!.Serve(pair!.Server!, stream, listen, now);
        });
        _listener = listener = new PortListener(_pair.Loop, _pair.Pool);
        _pair.Link();
    }

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::", "127.0.0.1")]
    [InlineData("::", "::1")]
    public void A_callers_connection_becomes_a_stream_that_the_other_side_dials_on(string bind, string call)
    {
        using Socket local = Listen();
        PortDialer dialer = new(_pair.Loop, _pair.Pool, 3_600_000_000);
        List<AcceptedTarget> callers = [];
        _pair.ClientEvents.Serve = (stream, target, now) =>
        {
            Assert.Equal(StreamKind.Accepted, stream.Kind);
            Assert.True(AcceptedTarget.TryDecode(target, out AcceptedTarget accepted));
            callers.Add(accepted);
            dialer.Dial(stream, new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(local)), now);
        };
        (MuxStream listen, IPEndPoint bound) = Open(isUdp: false, bind);
        using Socket caller = new(IPAddress.Parse(call).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(IPAddress.Parse(call), bound.Port);
        caller.Send("hello"u8);
        caller.Shutdown(SocketShutdown.Send);
        _pair.Turns.Until(() => local.Poll(0, SelectMode.SelectRead));
        using Socket served = local.Accept();
        served.Send("welcome"u8);
        _pair.Turns.Until(() => served.Available == 5 && caller.Available == 7);
        AcceptedTarget who = Assert.Single(callers);
        Assert.Equal(listen.Id, who.ListenStreamId);
        Assert.Equal(new TargetAddress(NetAddress.Parse(call), PortOf(caller)), who.Caller);
    }

    [Fact]
    public void A_caller_whom_nobody_wants_is_reset()
    {
        _pair.ClientEvents.Serve = static (stream, _, now) => stream.Refuse(RefuseCode.Refused, "nothing listens on port 8080", now);
        (_, IPEndPoint bound) = Open(isUdp: false, "127.0.0.1");
        using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(IPAddress.Loopback, bound.Port);
        _pair.Turns.Until(() => caller.Poll(0, SelectMode.SelectRead));
        Assert.Equal(SocketError.ConnectionReset, Assert.Throws<SocketException>(() => caller.Receive(new byte[1])).SocketErrorCode);
    }

    [Fact]
    public void A_port_that_nobody_serves_any_more_refuses_its_callers_until_somebody_does_again()
    {
        _pair.ClientEvents.Serve = static (stream, _, now) => stream.Accept(default, now);
        (MuxStream listen, IPEndPoint bound) = Open(isUdp: false, "127.0.0.1");
        for (int i = 0; i < 3; i++)
        {
            Assert.Null(Call(bound));
            listen.Write([ListenTarget.RefuseCallers], _pair.Loop.Now);
            _pair.Turns.Until(() => Call(bound) == SocketError.ConnectionRefused);
            using (Socket other = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
                Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => other.Bind(bound)).SocketErrorCode);
            listen.Write([ListenTarget.TakeCallers], _pair.Loop.Now);
            _pair.Turns.Until(() => Call(bound) is null);
        }

        Assert.Equal(1, _listener.OpenCount);
    }

    [Fact]
    public void Until_somebody_is_said_to_serve_it_a_port_refuses_its_callers()
    {
        byte[] target = new ListenTarget(false, new TargetAddress(NetAddress.Parse("127.0.0.1"), 0)).ToBytes();
        _pair.Client.Open(StreamKind.Listen, target, _request, _pair.Loop.Now);
        Assert.Equal(SocketError.ConnectionRefused, Call(Bound()));
    }

    [Fact]
    public void The_port_is_closed_with_its_stream_and_connections_live_on()
    {
        StreamRecorder flow = new();
        MuxStream? accepted = null;
        _pair.ClientEvents.Serve = (stream, _, now) =>
        {
            stream.Handler = flow;
            stream.Accept(default, now);
            accepted = stream;
        };
        (MuxStream listen, IPEndPoint bound) = Open(isUdp: false, "127.0.0.1");
        using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(IPAddress.Loopback, bound.Port);
        _pair.Turns.Until(() => accepted is not null);
        listen.Reset(RefuseCode.None, _pair.Loop.Now);
        _pair.Turns.Until(() => _listener.OpenCount == 0);
        Assert.Equal(SocketError.ConnectionRefused, Call(bound));
        caller.Send("still here"u8);
        _pair.Turns.Until(() => flow.Bytes.Count == 10);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_copy_of_its_socket_in_a_process_that_is_being_started_does_not_keep_a_closed_port(bool takesCallers)
    {
        (MuxStream listen, IPEndPoint bound) = Open(isUdp: false, "127.0.0.1");
        if (!takesCallers)
        {
            listen.Write([ListenTarget.RefuseCallers], _pair.Loop.Now);
            _pair.Turns.Until(() => Call(bound) == SocketError.ConnectionRefused);
        }

        using FileDescriptor copy = Sockets.CopyOfListener((ushort)bound.Port);
        listen.Reset(RefuseCode.None, _pair.Loop.Now);
        _pair.Turns.Until(() => _listener.OpenCount == 0);
        Assert.Equal(SocketError.ConnectionRefused, Call(bound));
        StreamRecorder next = new();
        _pair.Client.Open(StreamKind.Listen, new ListenTarget(false, new TargetAddress(NetAddress.Parse("127.0.0.1"), (ushort)bound.Port)).ToBytes(), next, _pair.Loop.Now);
        _pair.Turns.Until(() => next.Accepted || next.Refused is not null);
        Assert.Null(next.Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_port_that_is_taken_is_refused_with_its_number(bool isUdp)
    {
        using Socket taken = new(AddressFamily.InterNetwork, isUdp ? SocketType.Dgram : SocketType.Stream, isUdp ? ProtocolType.Udp : ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        if (!isUdp)
            taken.Listen();
        _pair.Client.Open(StreamKind.Listen, new ListenTarget(isUdp, new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(taken))).ToBytes(), _request, _pair.Loop.Now);
        _pair.Turns.Until(() => _request.Refused is not null);
        Assert.Equal(RefuseCode.AddressInUse, _request.Refused);
        Assert.Contains($"{PortOf(taken)}", _request.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::", "127.0.0.1")]
    public void Each_UDP_caller_gets_a_stream_and_its_own_answers(string bind, string call)
    {
        Dictionary<MuxStream, StreamRecorder> flows = [];
        _pair.ClientEvents.Serve = (stream, target, now) =>
        {
            Assert.Equal(StreamKind.Udp, stream.Kind);
            Assert.True(AcceptedTarget.TryDecode(target, out _));
            StreamRecorder recorder = new();
            flows.Add(stream, recorder);
            stream.Handler = recorder;
            stream.Accept(default, now);
        };
        (_, IPEndPoint bound) = Open(isUdp: true, bind);
        using Socket first = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        using Socket second = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        IPEndPoint to = new(IPAddress.Parse(call), bound.Port);
        first.SendTo("one"u8.ToArray(), to);
        first.SendTo("more"u8.ToArray(), to);
        second.SendTo("two"u8.ToArray(), to);
        _pair.Turns.Until(() => flows.Values.Sum(static flow => flow.Datagrams.Count) == 3);
        Assert.Equal(2, flows.Count);
        foreach ((MuxStream stream, StreamRecorder flow) in flows)
            stream.WriteDatagram([.. flow.Datagrams[0], (byte)'!'], _pair.Loop.Now);
        _pair.Turns.Until(() => first.Available > 0 && second.Available > 0);
        byte[] buffer = new byte[10];
        Assert.Equal("one!"u8.ToArray(), buffer[..first.Receive(buffer)]);
        Assert.Equal("two!"u8.ToArray(), buffer[..second.Receive(buffer)]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("06")]
    [InlineData("0104000050" + "7f000001")]
    [InlineData("060100506162")]
    public void Malformed_listen_targets_are_refused(string hex) => Assert.False(ListenTarget.TryDecode(Convert.FromHexString(hex), out _));

    [Theory]
    [InlineData("")]
    [InlineData("0a00000001")]
    [InlineData("0b00000001" + "0400507f000001")]
    [InlineData("0a00000001" + "0400507f0000")]
    public void Malformed_accepted_targets_are_refused(string hex) => Assert.False(AcceptedTarget.TryDecode(Convert.FromHexString(hex), out _));

    private static SocketError? Call(IPEndPoint to)
    {
        using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            caller.Connect(to);
            return null;
        }
        catch (SocketException refusal)
        {
            return refusal.SocketErrorCode;
        }
    }

    private static Socket Listen()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    private static ushort PortOf(Socket socket) => (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;

    private (MuxStream Stream, IPEndPoint Bound) Open(bool isUdp, string address)
    {
        byte[] target = new ListenTarget(isUdp, new TargetAddress(NetAddress.Parse(address), 0)).ToBytes();
        MuxStream stream = _pair.Client.Open(StreamKind.Listen, target, _request, _pair.Loop.Now)!;
        if (!isUdp)
            stream.Write([ListenTarget.TakeCallers], _pair.Loop.Now);
        return (stream, Bound());
    }

    private IPEndPoint Bound()
    {
        _pair.Turns.Until(() => _request.Accepted || _request.Refused is not null);
        Assert.Null(_request.Reason);
        Assert.True(TargetAddress.TryDecode(_request.Info, out TargetAddress bound));
        return new IPEndPoint(bound.Address.ToIPAddress(), bound.Port);
    }
}
