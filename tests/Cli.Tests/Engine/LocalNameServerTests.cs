using System.Net;
using System.Net.Sockets;

using Telepresence.Cli.Engine.Dns;
using Telepresence.Dns;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Engine;

public sealed class LocalNameServerTests : IDnsTransport, IAsyncLifetime
{
    private const int Many = 100;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EventLoop _loop = new();
    private Task _running = Task.CompletedTask;

    public Task InitializeAsync()
    {
        _running = _loop.Start("test loop");
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _loop.Stop();
        await _running;
        _loop.Dispose();
    }

    [Fact]
    public async Task A_server_that_takes_no_TCP_is_asked_over_TCP_again_once_it_does()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        LocalNameServer server = await ServerAsync((IPEndPoint)listener.LocalEndPoint!);
        await AskAsync(server, Many);
        listener.Listen();
        await AskAsync(server, 1);
        using Socket connection = await listener.AcceptAsync().WaitAsync(Patience);
        await _loop.InvokeAsync(() => Dispose(server));
    }

    [Fact]
    public async Task A_server_that_takes_connections_and_does_not_answer_is_asked_all_the_same()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(Many);
        LocalNameServer server = await ServerAsync((IPEndPoint)listener.LocalEndPoint!);
        List<Socket> connections = [];
        for (int i = 0; i < Many; i++)
        {
            await AskAsync(server, 1);
            connections.Add(await listener.AcceptAsync().WaitAsync(Patience));
        }

        await _loop.InvokeAsync(() => Dispose(server));
        connections.ForEach(static connection => connection.Dispose());
    }

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin)
    {
    }

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp)
    {
    }

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp)
    {
    }

    private static bool Dispose(LocalNameServer server)
    {
        server.Dispose();
        return true;
    }

    private Task<LocalNameServer> ServerAsync(IPEndPoint address) =>
        _loop.InvokeAsync(() => new LocalNameServer(_loop, new Resolver(new DnsRules(new DnsRulesOptions()), this), 0, address));

    private Task<bool> AskAsync(LocalNameServer server, int times) => _loop.InvokeAsync(() =>
    {
        byte[] query = DnsAddressQuery.Build("example.com", ipv6: false);
        for (int i = 0; i < times; i++)
            server.Send(query, overTcp: true);
        return true;
    });
}
