using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class PortDialerTests : IDisposable
{
    private const long DialTimeout = 3_600_000_000;

    private readonly SessionPair _pair;
    private readonly PortDialer _dialer;
    private readonly StreamRecorder _near = new();
    private int _connects, _withoutPort;

    public PortDialerTests()
    {
        PortDialer? dialer = null;
        _pair = new SessionPair((stream, target, now) =>
        {
            Assert.True(TargetAddress.TryDecode(target, out TargetAddress address));
            dialer!.Dial(stream, address, now);
        });
        _dialer = dialer = new PortDialer(_pair.Loop, _pair.Pool, DialTimeout, Resolve, Connect);
        _pair.Link();
    }

    public void Dispose() => _pair.Dispose();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_connection_is_accepted_after_the_target_has_and_carries_bytes_both_ways(string address)
    {
        using Socket listener = Listen(address);
        Task<byte[]> served = EchoOnceAsync(listener);
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse(address), PortOf(listener)));
        byte[] bytes = LinkPumpTests.RandomBytes(3_000_000);
        _near.Send(stream, bytes, thenEnd: true, _pair.Loop.Now);
        _pair.Turns.Until(() => _near.Ended);
        Assert.True(_near.Accepted);
        Assert.True(CollectionsMarshal.AsSpan(_near.Bytes).SequenceEqual(bytes));
        Assert.Equal(SHA256.HashData(bytes), _pair.Turns.Result(served));
        _pair.Turns.Until(() => _dialer.OpenCount == 0 && _pair.Pool.InUse == 0);
    }

    [Fact]
    public void What_was_sent_before_the_connection_stood_arrives_first()
    {
        using Socket listener = Listen("127.0.0.1");
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        stream.Write("early"u8, _pair.Loop.Now);
        stream.WriteEnd(_pair.Loop.Now);
        _pair.Turns.Until(() => _near.Accepted);
        using Socket accepted = listener.Accept();
        Assert.Equal("early", ReadAll(accepted));
    }

    [Fact]
    public void A_name_that_the_resolver_does_not_take_is_refused_at_once()
    {
        Open(new TargetAddress("0", 80));
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.NotFound, _near.Refused);
    }

    [Fact]
    public void A_port_where_nobody_listens_is_refused()
    {
        using ReservedPort nobodys = new();
        Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), nobodys.Number));
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.Refused, _near.Refused);
        Assert.False(_near.Accepted);
        Assert.Equal(0, _dialer.PendingCount);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void A_connection_waits_while_no_port_is_free(string address)
    {
        _withoutPort = 3;
        using Socket listener = Listen(address);
        Open(new TargetAddress(NetAddress.Parse(address), PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        Assert.Equal(4, _connects);
        Assert.Equal(0, _dialer.PendingCount);
    }

    [Fact]
    public void A_stream_that_is_given_up_while_no_port_is_free_is_not_tried_again()
    {
        _withoutPort = int.MaxValue;
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), 9));
        _pair.Turns.Until(() => _connects == 2);
        stream.Reset(RefuseCode.ConnectionReset, _pair.Loop.Now);
        _pair.Turns.Until(() => _dialer.PendingCount == 0);
        int connects = _connects;
        _pair.Turns.Until(() => _dialer.NextDeadline == long.MaxValue);
        Assert.Equal(connects, _connects);
    }

    [Fact]
    public void When_no_port_becomes_free_in_time_that_is_the_reason()
    {
        _withoutPort = int.MaxValue;
        Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), 9));
        _pair.Turns.Until(() => _connects == 2);
        _dialer.OnTurn(_pair.Loop.Now + DialTimeout);
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.NoResources, _near.Refused);
    }

    [Fact]
    public void Many_that_wait_for_a_port_do_not_take_the_loop_from_others()
    {
        const int many = 100;
        _withoutPort = int.MaxValue;
        for (int i = 0; i < many; i++)
            Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), 9));
        _pair.Turns.Until(() => _dialer.PendingCount == many);
        int before = _connects;
        long later = _pair.Loop.Now + 1_000_000;
        _dialer.OnTurn(later);
        int connects = _connects;
        Assert.InRange(connects - before, 1, 20);
        _dialer.OnTurn(later);
        Assert.Equal(connects, _connects);
        Assert.InRange(_dialer.NextDeadline, later + 1, later + 10_000);
    }

    [Theory]
    [InlineData("198.51.100.1")]
    [InlineData("2001:db8::1")]
    public void A_target_without_a_route_is_unreachable(string address)
    {
        Open(new TargetAddress(NetAddress.Parse(address), 80));
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.NetUnreachable, _near.Refused);
    }

    [Fact]
    public void A_target_that_does_not_answer_is_given_up_in_time()
    {
        // A listener whose queue is full drops further requests.
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        using Socket filler = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        filler.Connect(listener.LocalEndPoint!);
        Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        _pair.Turns.Until(() => _dialer.PendingCount == 1);
        _dialer.OnTurn(_pair.Loop.Now + DialTimeout);
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.TimedOut, _near.Refused);
        Assert.Equal(0, _dialer.PendingCount);
    }

    [Fact]
    public void The_targets_reset_becomes_a_reset_of_the_stream()
    {
        using Socket listener = Listen("127.0.0.1");
        Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        Socket accepted = listener.Accept();
        accepted.LingerState = new LingerOption(true, 0);
        accepted.Close();
        _pair.Turns.Until(() => _near.Reset is not null);
        Assert.Equal(RefuseCode.ConnectionReset, _near.Reset);
        Assert.Equal(0, _dialer.OpenCount);
    }

    [Fact]
    public void A_reset_of_the_stream_becomes_a_reset_at_the_target()
    {
        using Socket listener = Listen("127.0.0.1");
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        using Socket accepted = listener.Accept();
        stream.Reset(RefuseCode.None, _pair.Loop.Now);
        _pair.Turns.Until(() => _dialer.OpenCount == 0);
        SocketException fault = Assert.Throws<SocketException>(() => accepted.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, fault.SocketErrorCode);
    }

    [Fact]
    public void The_target_may_speak_on_after_the_program_has_ended_its_half()
    {
        using Socket listener = Listen("127.0.0.1");
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        stream.WriteEnd(_pair.Loop.Now);
        _pair.Turns.Until(() => _near.Accepted);
        Socket accepted = listener.Accept();
        Assert.Equal("", ReadAll(accepted));
        accepted.Send("still here"u8);
        accepted.Close();
        _pair.Turns.Until(() => _near.Ended);
        Assert.Equal("still here"u8.ToArray(), _near.Bytes);
        Assert.Equal(0, _dialer.OpenCount);
    }

    [Fact]
    public void The_program_may_speak_on_after_the_target_has_ended_its_half()
    {
        using Socket listener = Listen("127.0.0.1");
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        using Socket accepted = listener.Accept();
        accepted.Shutdown(SocketShutdown.Send);
        _pair.Turns.Until(() => _near.Ended);
        stream.Write("still here"u8, _pair.Loop.Now);
        stream.WriteEnd(_pair.Loop.Now);
        _pair.Turns.Until(() => _dialer.OpenCount == 0);
        Assert.Equal("still here", ReadAll(accepted));
    }

    [Fact]
    public void A_target_that_does_not_read_holds_the_program_back_and_not_the_memory()
    {
        using Socket listener = Listen("127.0.0.1");
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        byte[] bytes = LinkPumpTests.RandomBytes(30_000_000);
        _near.Send(stream, bytes, thenEnd: true, _pair.Loop.Now);
        _pair.Turns.Until(() => _near.Accepted && stream.SendSpace == 0);
        Assert.True(_pair.Pool.InUse < 20_000_000, $"{_pair.Pool.InUse} bytes are held");
        using Socket accepted = listener.Accept();
        Task<byte[]> hash = Task.Run(() =>
        {
            using NetworkStream all = new(accepted);
            return SHA256.HashData(all);
        });
        Assert.Equal(SHA256.HashData(bytes), _pair.Turns.Result(hash));
    }

    [Fact]
    public void A_reset_reaches_the_program_although_it_gives_no_credit()
    {
        using Socket listener = Listen("127.0.0.1");
        _near.Consumes = false;
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        using Socket accepted = listener.Accept();
        accepted.Blocking = false;
        byte[] bytes = new byte[100_000];
        int before = -1;
        while (before != _near.Bytes.Count)
        {
            before = _near.Bytes.Count;
            while (accepted.Poll(0, SelectMode.SelectWrite))
                accepted.Send(bytes, SocketFlags.None, out _);
            for (int i = 0; i < 20; i++)
                _pair.Loop.Turn(wait: false);
        }

        accepted.LingerState = new LingerOption(true, 0);
        accepted.Close();

        // The bytes that came before the reset are still owed, and the hang-up must not keep the loop turning meanwhile.
        TurnCounter turns = new(EventLoop.Clock + 50_000);
        _pair.Loop.AddTurnHandler(turns);
        _pair.Turns.Until(() => turns.Ended);
        Assert.InRange(turns.Count, 1, 500);
        Assert.Null(_near.Reset);
        stream.Consume(_near.Bytes.Count, _pair.Loop.Now);
        _near.Consumes = true;
        _pair.Turns.Until(() => _near.Reset is not null);
        Assert.Equal(RefuseCode.ConnectionReset, _near.Reset);
    }

    [Fact]
    public void A_name_is_looked_up_here_and_every_address_is_tried()
    {
        using Socket listener = Listen("127.0.0.1");
        Open(new TargetAddress("both.test", PortOf(listener)));
        _pair.Turns.Until(() => _near.Accepted);
        Assert.True(TargetAddress.TryDecode(_near.Info, out TargetAddress reached));
        Assert.Equal(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)), reached);
    }

    [Fact]
    public void A_name_that_does_not_exist_is_not_found()
    {
        Open(new TargetAddress("missing.test", 80));
        _pair.Turns.Until(() => _near.Refused is not null);
        Assert.Equal(RefuseCode.NotFound, _near.Refused);
        Assert.Contains("missing.test", _near.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_connection_lives_through_cuts_of_the_link()
    {
        using Socket listener = Listen("127.0.0.1");
        Task<byte[]> served = EchoOnceAsync(listener);
        MuxStream stream = Open(new TargetAddress(NetAddress.Parse("127.0.0.1"), PortOf(listener)));
        byte[] bytes = LinkPumpTests.RandomBytes(100_000_000);
        _near.Send(stream, bytes, thenEnd: true, _pair.Loop.Now);
        Random random = new(3);
        for (int cut = 0; cut < 4; cut++)
        {
            int threshold = (cut * 20_000_000) + random.Next(20_000_000);
            _pair.Turns.Until(() => _near.Bytes.Count >= threshold);
            _pair.Cut();
            _pair.Link();
        }

        _pair.Turns.Until(() => _near.Ended);
        Assert.True(CollectionsMarshal.AsSpan(_near.Bytes).SequenceEqual(bytes));
        Assert.Equal(SHA256.HashData(bytes), _pair.Turns.Result(served));
    }

    private static Task<IPAddress[]> Resolve(string name) => name switch
    {
        "0" => Task.FromException<IPAddress[]>(new ArgumentException("The platform's resolver takes no unspecified address.")),
        "both.test" => Task.FromResult<IPAddress[]>([IPAddress.IPv6Loopback, IPAddress.Loopback]),
        _ => Task.FromException<IPAddress[]>(new SocketException((int)SocketError.HostNotFound)),
    };

    private static Socket Listen(string address)
    {
        IPAddress ip = IPAddress.Parse(address);
        Socket listener = new(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(ip, 0));
        listener.Listen();
        return listener;
    }

    private static ushort PortOf(Socket listener) => (ushort)((IPEndPoint)listener.LocalEndPoint!).Port;

    private static string ReadAll(Socket socket)
    {
        byte[] buffer = new byte[1024];
        StringBuilder text = new();
        int count;
        while ((count = socket.Receive(buffer)) > 0)
            text.Append(Encoding.UTF8.GetString(buffer, 0, count));
        return text.ToString();
    }

    private static async Task<byte[]> EchoOnceAsync(Socket listener)
    {
        using Socket accepted = await listener.AcceptAsync();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[65_536];
        int count;
        while ((count = await accepted.ReceiveAsync(buffer)) > 0)
        {
            hash.AppendData(buffer, 0, count);
            for (int sent = 0; sent < count;)
                sent += await accepted.SendAsync(buffer.AsMemory(sent, count - sent));
        }

        accepted.Shutdown(SocketShutdown.Send);
        return hash.GetHashAndReset();
    }

    /// <summary>Counts a loop's turns up to a moment.</summary>
    private sealed class TurnCounter(long until) : ITurnHandler
    {
        internal int Count { get; private set; }

        internal bool Ended { get; private set; }

        public long NextDeadline => Ended ? long.MaxValue : until;

        public void OnTurn(long now)
        {
            Count++;
            Ended = now >= until;
        }
    }

    private MuxStream Open(TargetAddress target) => _pair.Client.Open(StreamKind.Tcp, target.ToBytes(), _near, _pair.Loop.Now)!;

    private int Connect(FileDescriptor socket, NetAddress address, ushort port) =>
        _connects++ < _withoutPort ? Libc.EADDRNOTAVAIL : SocketOptions.Connect(socket, address, port);
}
