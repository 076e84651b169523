using System.Net.Sockets;
using System.Net.WebSockets;

using Microsoft.AspNetCore.Http;

using Telepresence.Cli.Cluster;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class PortForwardLinkTests
{
    // Port 7700 as each channel's first message.
    private static readonly byte[] DataPrefix = [0, 0x14, 0x1e], ErrorPrefix = [1, 0x14, 0x1e];

    [Fact]
    public async Task Bytes_pass_both_ways_whatever_their_number()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, EchoAsync));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);
        Socket session = Borrow(link.Descriptor);
        byte[] sent = new byte[3_000_001];
        new Random(7).NextBytes(sent);

        Task sending = SendAllAsync(session, sent);
        byte[] received = new byte[sent.Length];
        int count = 0;
        while (count < received.Length)
            count += await session.ReceiveAsync(received.AsMemory(count));
        await sending;

        Assert.Equal(sent, received);
        Assert.Equal(["GET /api/v1/namespaces/web/pods/p/portforward?ports=7700"], server.Requests);
        session.Dispose();
        link.Descriptor.Dispose();
    }

    [Fact]
    public async Task Closing_the_descriptor_ends_the_link()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, EchoAsync));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);

        link.Descriptor.Dispose();

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
        Socket session = Borrow(link.Descriptor);

        Assert.Equal("connect: connection refused", await link.Ended);
        Assert.Equal(0, await session.ReceiveAsync(new byte[1].AsMemory()));
        session.Dispose();
        link.Descriptor.Dispose();
    }

    [Fact]
    public async Task A_server_that_goes_away_ends_the_link()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static context => ServeAsync(context, async socket =>
        {
            await socket.ReceiveAsync(new byte[16], CancellationToken.None);
            context.Abort();
        }));
        using KubeClient client = server.Client();
        PortForwardLink link = await PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None);

        Socket session = Borrow(link.Descriptor);
        await session.SendAsync("x"u8.ToArray());

        Assert.StartsWith("the port-forward was lost", await link.Ended, StringComparison.Ordinal);
        Assert.Equal(0, await session.ReceiveAsync(new byte[1].AsMemory()));
        session.Dispose();
        link.Descriptor.Dispose();
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

    [Fact]
    public async Task An_upgrade_that_never_comes_is_given_up()
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(static async context =>
        {
            TaskCompletionSource gone = new();
            await using CancellationTokenRegistration aborted = context.RequestAborted.Register(gone.SetResult);
            await gone.Task;
        });
        using KubeClient client = server.Client(TimeSpan.FromMilliseconds(50));

        KubeException fault = await Assert.ThrowsAsync<KubeException>(() => PortForwardLink.OpenAsync(client, "web", "p", 7700, CancellationToken.None));

        Assert.Equal(ExitCode.ApiTimeout, fault.Explanation.ExitCode);
    }

    // To be disposed before the descriptor is closed: its number may belong to somebody else from then on.
    private static Socket Borrow(FileDescriptor descriptor) => new(new SafeSocketHandle(descriptor.Number, ownsHandle: false));

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

    private static async Task SendAllAsync(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent, Math.Min(bytes.Length - sent, 100_000)));
    }
}
