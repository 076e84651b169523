using System.Net.Sockets;
using System.Net.WebSockets;

using Microsoft.AspNetCore.Http;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class PortForwardLinkTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // Port 7700 as each channel's first message.
    private static readonly byte[] DataPrefix = [0, 0x14, 0x1e], ErrorPrefix = [1, 0x14, 0x1e];

    [Fact]
    public async Task Bytes_pass_both_ways_whatever_their_number()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, EchoAsync));
        using KubeClient client = server.Client();
        using LinkCarrier carrier = new(await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None));
        byte[] sent = new byte[3_000_001];
        new Random(7).NextBytes(sent);

        Task sending = carrier.SendAsync(sent);
        byte[] received = await carrier.ReceiveAsync(sent.Length);
        await sending;

        Assert.Equal(sent, received);
        Assert.Equal(["GET /api/v1/namespaces/web/pods/p/portforward?ports=7700"], server.Requests);
    }

    [Fact]
    public async Task A_link_that_is_closed_says_why()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, EchoAsync));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);

        link.Socket.Dispose();
        link.Closed("the session closed the link");

        Assert.Equal("the session closed the link", await link.Ended);
    }

    [Fact]
    public async Task A_refused_connection_ends_the_link_with_the_kubelet_s_reason()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, static async socket =>
        {
            await SendAsync(socket, [1, .. "connect: connection refused"u8]);
            await socket.ReceiveAsync(new byte[16], CancellationToken.None);
        }));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);
        using LinkCarrier carrier = new(link);

        Assert.Empty(await carrier.ReceiveAsync(1));
        Assert.Equal("connect: connection refused", link.End);
        link.Closed("whatever the socket says");
        Assert.Equal("connect: connection refused", await link.Ended);
    }

    [Fact]
    public async Task A_server_that_closes_the_websocket_ends_the_link_with_its_reason()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, static socket =>
            socket.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, "the node shuts down", CancellationToken.None)));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);
        using LinkCarrier carrier = new(link);

        Assert.Empty(await carrier.ReceiveAsync(1));
        Assert.Equal("the node shuts down", link.End);
    }

    [Fact]
    public async Task A_server_that_goes_away_closes_the_socket()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, async socket =>
        {
            await socket.ReceiveAsync(new byte[16], CancellationToken.None);
            context.Abort();
        }));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);
        using LinkCarrier carrier = new(link);

        await carrier.SendAsync("x"u8.ToArray());

        Assert.Empty(await carrier.ReceiveAsync(1));
        Assert.Null(link.End);
    }

    [Fact]
    public async Task An_answer_that_is_not_to_this_upgrade_is_none()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static async context =>
        {
            using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync("v5.channel.k8s.io");
        });
        using KubeClient client = server.Client();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None));

        Assert.Equal(ExitCode.ApiError, fault.Explanation.ExitCode);
        Assert.Contains("not a WebSocket's", fault.Explanation.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, ExitCode.Forbidden, "\"get\" on \"pods/portforward\"")]
    [InlineData(401, ExitCode.Unauthorized, "401")]
    public async Task A_refused_upgrade_is_explained(int status, int exitCode, string part)
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(status, FakeApiServer.Status(status, "Forbidden", "pods \"p\" is forbidden: User \"jane\" cannot get resource \"pods/portforward\""));
        using KubeClient client = server.Client();

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None));

        Assert.Equal(exitCode, fault.Explanation.ExitCode);
        Assert.Contains(part, fault.Explanation.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 101 Switching")]
    [InlineData("HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n{\"kind\"")]
    public async Task An_upgrade_that_is_given_up_closes_its_connection(string answer)
    {
        await using SilentServer server = new(answer);
        using KubeClient client = new(() => server.Path, "https://api.example.com:6443");
        using CancellationTokenSource gaveUp = new();

        Task<PortForwardLink> opening = PortForwardLink.OpenAsync(client, "web", "p", 7700, gaveUp.Token);
        await server.AnsweredAsync().WaitAsync(Patience);
        await gaveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening).WaitAsync(Patience);
        await server.ClosedAsync().WaitAsync(Patience);
    }

    [Fact]
    public async Task An_upgrade_that_never_comes_is_explained()
    {
        await using SilentServer server = new("");
        using KubeClient client = new(() => server.Path, "https://api.example.com:6443", limit: TimeSpan.FromMilliseconds(200));

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None)).WaitAsync(Patience);

        Assert.Equal(ExitCode.ApiTimeout, fault.Explanation.ExitCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")]
    public async Task What_comes_right_behind_the_answer_is_the_first_frame(string before)
    {
        await using SilentServer server = new(before + "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n\u0002\u0000");
        using KubeClient client = new(() => server.Path, "https://api.example.com:6443");

        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None).WaitAsync(Patience);

        using Socket socket = new(new SafeSocketHandle(link.Socket.Take(), ownsHandle: true));
        byte[] first = new byte[10];
        Assert.Equal(2, await socket.ReceiveAsync(first.AsMemory()));
        Assert.Equal([2, 0], first[..2]);
    }

    private static async Task ServeAsync(HttpContext context, Func<WebSocket, Task> serve)
    {
        Assert.Equal(["v4.channel.k8s.io"], context.WebSockets.WebSocketRequestedProtocols);
        using WebSocket socket = await context.WebSockets.AcceptWebSocketAsync("v4.channel.k8s.io");
        await SendAsync(socket, DataPrefix);
        await SendAsync(socket, ErrorPrefix);
        try
        {
            await serve(socket);
        }
        catch (Exception fault) when (fault is WebSocketException or OperationCanceledException)
        {
            // The client went away, as it should.
        }
    }

    // Answers in messages cut at odd places, some of them in several WebSocket frames.
    private static async Task EchoAsync(WebSocket socket)
    {
        byte[] buffer = new byte[70_000];
        bool start = true;
        int turn = 0;
        while (true)
        {
            ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            if (received.MessageType == WebSocketMessageType.Close)
                return;
            byte[] bytes = [0, .. buffer.AsSpan((start ? 1 : 0)..received.Count)];
            start = received.EndOfMessage;
            int cut = turn++ % 3 == 0 ? Math.Min(bytes.Length, 1) : bytes.Length / 2;
            await socket.SendAsync(bytes.AsMemory(0, cut), WebSocketMessageType.Binary, endOfMessage: false, CancellationToken.None);
            await socket.SendAsync(bytes.AsMemory(cut), WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
        }
    }

    private static async Task SendAsync(WebSocket socket, byte[] message) =>
        await socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
}
