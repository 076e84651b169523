using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Tests.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy.Tests;

public sealed class ProxyHostTests : IAsyncLifetime
{
    private readonly RunningProxy _proxy = new();
    private readonly ProxyClient _client = new();
    private readonly StreamRecorder _stream = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _proxy.DisposeAsync();
    }

    [Fact]
    public void A_hundred_megabytes_arrive_whole_although_the_link_is_cut_at_random()
    {
        using Socket listener = Listen();
        Task<byte[]> served = EchoOnceAsync(listener);
        _client.Link(_proxy.Port);
        MuxStream stream = _client.Open(StreamKind.Tcp, Target(listener), _stream);
        byte[] bytes = new byte[100_000_000];
        new Random(1).NextBytes(bytes);
        _stream.Send(stream, bytes, thenEnd: true, _client.Now);
        Random random = new(2);
        for (int cut = 0; cut < 6; cut++)
        {
            int threshold = (cut * 15_000_000) + random.Next(10_000_000);
            _client.Turns.Until(() => _stream.Bytes.Count >= threshold);
            _client.Cut();
            _client.Link(_proxy.Port);
            Assert.Equal(SessionState.Established, _client.Session.State);
        }

        _client.Turns.Until(() => _stream.Ended);
        Assert.True(CollectionsMarshal.AsSpan(_stream.Bytes).SequenceEqual(bytes));
        Assert.Equal(SHA256.HashData(bytes), _client.Turns.Result(served));
        Assert.Equal(6, _client.Events.Suspensions);
        _client.Turns.Until(() => _proxy.Lines.Count(static line => line.Contains("resumed", StringComparison.Ordinal)) == 6);
    }

    [Fact]
    public void A_client_with_another_key_is_turned_away_and_the_key_is_not_logged()
    {
        byte[] key = SHA256.HashData("guess"u8);
        using ProxyClient other = new(key: key);
        other.Link(_proxy.Port);
        Assert.Equal(HelloRefusal.BadKey, other.Session.Refusal);
        Assert.Contains("wrong session key", other.Session.EndReason, StringComparison.Ordinal);
        _client.Turns.Until(() => _proxy.Lines.Any(static line => line.Contains("wrong session key", StringComparison.Ordinal)));
        Assert.DoesNotContain(_proxy.Lines, line => line.Contains(Convert.ToHexString(key), StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_client_of_another_version_is_told_both()
    {
        using ProxyClient other = new(version: "0.9.1");
        other.Link(_proxy.Port);
        Assert.Equal(HelloRefusal.WrongVersion, other.Session.Refusal);
        Assert.Contains("0.9.1", other.Session.EndReason, StringComparison.Ordinal);
        Assert.Contains("1.0.0", other.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_that_a_restarted_proxy_does_not_know_is_lost()
    {
        RunningProxy first = new();
        ushort port = first.Port;
        _client.Link(port);
        await first.DisposeAsync();
        _client.Cut();
        await using RunningProxy second = new();
        _client.Link(second.Port);
        Assert.Equal(HelloRefusal.UnknownSession, _client.Session.Refusal);
        Assert.Contains("session lost", _client.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_hello_is_turned_away_and_the_proxy_goes_on()
    {
        using (Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            stranger.Connect(IPAddress.Loopback, _proxy.Port);
            stranger.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8);
            byte[] answer = new byte[1024];
            int count = stranger.Receive(answer);
            Assert.StartsWith("TPMUX", System.Text.Encoding.ASCII.GetString(answer, 0, count), StringComparison.Ordinal);
        }

        _client.Link(_proxy.Port);
        Assert.Equal(SessionState.Established, _client.Session.State);
    }

    [Fact]
    public void The_report_describes_the_pod()
    {
        Environment.SetEnvironmentVariable("DECLARED_IN_THE_SPEC", "two\nlines");
        Environment.SetEnvironmentVariable("HOSTNAME", Environment.MachineName);
        _client.Link(_proxy.Port);
        _client.Open(StreamKind.Info, [], _stream);
        _client.Turns.Until(() => _stream.Ended);
        PodReport report = JsonSerializer.Deserialize([.. _stream.Bytes], PodReportJson.Default.PodReport)!;
        Assert.Equal("1.0.0", report.Version);
        Assert.Equal(Environment.MachineName, report.Hostname);
        Assert.Equal(File.ReadAllText("/etc/resolv.conf"), report.ResolvConf);
        Assert.Equal(["127.0.0.1:53"], report.NameServers);
        Assert.Equal("two\nlines", report.Environment["DECLARED_IN_THE_SPEC"]);
        Assert.DoesNotContain("HOSTNAME", report.Environment.Keys);
        Assert.Equal(Environment.MachineName, report.ImageEnvironment["HOSTNAME"]);
        Assert.All(report.Addresses, static address => Assert.False(IPAddress.IsLoopback(IPAddress.Parse(address))));
        Assert.All(report.Routes, static route => IPNetwork.Parse(route));
    }

    [Fact]
    public void Malformed_targets_and_unknown_kinds_cost_only_their_stream()
    {
        _client.Link(_proxy.Port);
        foreach (StreamKind kind in (ReadOnlySpan<StreamKind>)[StreamKind.Tcp, StreamKind.Udp, StreamKind.Echo, StreamKind.Listen])
        {
            StreamRecorder recorder = new();
            _client.Open(kind, [99, 1, 2], recorder);
            _client.Turns.Until(() => recorder.Refused is not null);
            Assert.Equal(RefuseCode.ProtocolError, recorder.Refused);
        }

        StreamRecorder unknown = new();
        _client.Open(StreamKind.Accepted, [], unknown);
        _client.Turns.Until(() => unknown.Refused is not null);
        Assert.Equal(RefuseCode.Unsupported, unknown.Refused);
        Assert.Equal(SessionState.Established, _client.Session.State);
    }

    [Fact]
    public void A_caller_of_an_exposed_port_reaches_the_laptop()
    {
        _client.Events.Serve = (stream, target, now) =>
        {
            Assert.True(AcceptedTarget.TryDecode(target, out _));
            stream.Handler = _stream;
            stream.Accept(default, now);
        };
        _client.Link(_proxy.Port);
        StreamRecorder listen = new();
        MuxStream port = _client.Open(StreamKind.Listen, new ListenTarget(false, new TargetAddress(NetAddress.Parse("::"), 0)).ToBytes(), listen);
        port.Write([ListenTarget.TakeCallers], _client.Now);
        _client.Turns.Until(() => listen.Accepted);
        Assert.True(TargetAddress.TryDecode(listen.Info, out TargetAddress bound));
        Socket? caller = null;
        _client.Turns.Until(() => (caller = Call(bound.Port)) is not null);
        using Socket connected = caller!;
        connected.Send("knock knock"u8);
        _client.Turns.Until(() => _stream.Bytes.Count == 11);
    }

    [Fact]
    public void A_stopping_proxy_says_goodbye()
    {
        _client.Link(_proxy.Port);
        _client.Open(StreamKind.Udp, new TargetAddress(NetAddress.Parse("127.0.0.1"), 9).ToBytes(), _stream);
        _client.Turns.Until(() => _stream.Accepted);
        _proxy.SayGoodbye("the proxy pod is being stopped");
        _client.Turns.Until(() => _client.Events.Ended is not null);
        Assert.Contains("the proxy pod is being stopped", _client.Events.Ended, StringComparison.Ordinal);
        Assert.Equal(RefuseCode.SessionEnded, _stream.Reset);
    }

    [Fact]
    public void A_second_session_lives_beside_the_first()
    {
        using ProxyClient second = new();
        _client.Link(_proxy.Port);
        second.Link(_proxy.Port);
        Assert.Equal(SessionState.Established, second.Session.State);
        using Socket listener = Listen();
        StreamRecorder a = new(), b = new();
        _client.Open(StreamKind.Tcp, Target(listener), a);
        second.Open(StreamKind.Tcp, Target(listener), b);
        _client.Turns.Until(() => a.Accepted);
        second.Turns.Until(() => b.Accepted);
    }

    private static Socket? Call(ushort port)
    {
        Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            caller.Connect(IPAddress.Loopback, port);
            return caller;
        }
        catch (SocketException refusal) when (refusal.SocketErrorCode == SocketError.ConnectionRefused)
        {
            caller.Dispose();
            return null;
        }
    }

    private static Socket Listen()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    private static byte[] Target(Socket listener) =>
        new TargetAddress(NetAddress.FromIPAddress(IPAddress.Loopback), (ushort)((IPEndPoint)listener.LocalEndPoint!).Port).ToBytes();

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
}
