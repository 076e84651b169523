using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Tests.Controllers;
using Telepresence.PracticeCluster.Tests.Node;

namespace Telepresence.PracticeCluster.Tests.Api;

public sealed class ApiServerTests(ClusterFixture fixture) : IClassFixture<ClusterFixture>
{
    [Fact]
    public async Task An_unknown_token_is_401_and_a_known_user_without_rights_403()
    {
        using var stranger = fixture.Client(new("wrong", "x", "", []));
        using var dev = fixture.Client(ClusterFixture.Dev);
        using var anonymous = fixture.Client(null);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/api/v1/namespaces/default/pods")).StatusCode);
        var refused = await dev.GetAsync("/api/v1/namespaces/default/pods");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Equal("pods is forbidden: User \"dev\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
            (await refused.Content.ReadFromJsonAsync<JsonObject>()).Str("message"));
        Assert.Equal(HttpStatusCode.OK, (await anonymous.GetAsync("/version")).StatusCode);
    }

    [Fact]
    public async Task A_port_forward_by_GET_needs_the_rights_to_get_and_to_create()
    {
        using var admin = fixture.Client(ClusterFixture.Admin);
        using var dev = fixture.Client(ClusterFixture.Dev);
        await admin.PostAsJsonAsync("/api/v1/namespaces", Given.Object("{'metadata':{'name':'streams'}}"));
        await admin.PostAsJsonAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/streams/rolebindings", Given.Object(
            "{'metadata':{'name':'r'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name':'r'},'subjects':[{'kind':'User','apiGroup':'rbac.authorization.k8s.io','name':'dev'}]}"));
        async Task<string?> RefusalAsync(string verbs)
        {
            await admin.DeleteAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/streams/roles/r");
            await admin.PostAsJsonAsync("/apis/rbac.authorization.k8s.io/v1/namespaces/streams/roles", Given.Object(
                $"{{'metadata':{{'name':'r'}},'rules':[{{'apiGroups':[''],'resources':['pods/portforward'],'verbs':[{verbs}]}}]}}"));
            var answer = await dev.GetAsync("/api/v1/namespaces/streams/pods/p/portforward?ports=1");
            return (await answer.Content.ReadFromJsonAsync<JsonObject>()).Str("message");
        }
        Assert.Equal("pods \"p\" is forbidden: User \"dev\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"streams\"", await RefusalAsync("'create'"));
        Assert.Equal("pods \"p\" is forbidden: ", await RefusalAsync("'get'"));
        Assert.Equal("pods \"p\" not found", await RefusalAsync("'get','create'"));
    }

    [Fact]
    public async Task A_watch_shows_what_happens_after_its_revision()
    {
        using var admin = fixture.Client(ClusterFixture.Admin);
        var list = await admin.GetFromJsonAsync<JsonObject>("/api/v1/namespaces/default/configmaps");
        var revision = list.Str("metadata", "resourceVersion");
        using var watch = new StreamReader(await admin.GetStreamAsync($"/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={revision}&labelSelector=w%3D1"));
        await admin.PostAsJsonAsync("/api/v1/namespaces/default/configmaps", Given.Object("{'metadata':{'name':'unlabelled'}}"));
        await admin.PostAsJsonAsync("/api/v1/namespaces/default/configmaps", Given.Object("{'metadata':{'name':'w','labels':{'w':'1'}}}"));
        using var patch = new StringContent("{\"metadata\":{\"labels\":{\"w\":null}}}", new MediaTypeHeaderValue("application/merge-patch+json"));
        await admin.PatchAsync("/api/v1/namespaces/default/configmaps/w", patch);
        var added = JsonNode.Parse((await watch.ReadLineAsync())!);
        var left = JsonNode.Parse((await watch.ReadLineAsync())!);
        Assert.Equal(("ADDED", "w"), (added.Str("type"), added.Str("object", "metadata", "name")));
        Assert.Equal("DELETED", left.Str("type"));
    }

    [Fact]
    public async Task An_update_with_an_old_revision_is_a_conflict()
    {
        using var admin = fixture.Client(ClusterFixture.Admin);
        var created = await (await admin.PostAsJsonAsync("/api/v1/namespaces/default/configmaps", Given.Object("{'metadata':{'name':'race'}}"))).Content.ReadFromJsonAsync<JsonObject>();
        var first = created!.Copy();
        first["data"] = new JsonObject { ["a"] = "1" };
        Assert.Equal(HttpStatusCode.OK, (await admin.PutAsJsonAsync("/api/v1/namespaces/default/configmaps/race", first)).StatusCode);
        created!["data"] = new JsonObject { ["a"] = "2" };
        Assert.Equal(HttpStatusCode.Conflict, (await admin.PutAsJsonAsync("/api/v1/namespaces/default/configmaps/race", created)).StatusCode);
    }

    [Fact]
    public async Task Lists_come_in_pages_without_gaps()
    {
        using var admin = fixture.Client(ClusterFixture.Admin);
        for (var i = 0; i < 5; i++)
            await admin.PostAsJsonAsync("/api/v1/namespaces/default/secrets", Given.Object($"{{'metadata':{{'name':'page-{i}','labels':{{'page':'1'}}}}}}"));
        var names = new List<string>();
        for (var next = ""; next is not null;)
        {
            var page = await admin.GetFromJsonAsync<JsonObject>($"/api/v1/namespaces/default/secrets?labelSelector=page&limit=2&continue={Uri.EscapeDataString(next)}");
            names.AddRange(page.Each("items").Select(s => s.Name()));
            next = page.Str("metadata", "continue");
        }
        Assert.Equal(["page-0", "page-1", "page-2", "page-3", "page-4"], names);
    }

    [Fact]
    public async Task A_port_forward_carries_bytes_both_ways_and_ends_with_the_pods_side()
    {
        var pod = await RunningPodAsync("forward");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var socket = await ConnectAsync($"/api/v1/namespaces/default/pods/{pod}/portforward?ports={port}", "v4.channel.k8s.io");
        using var server = await listener.AcceptSocketAsync();
        byte[] prefix = [(byte)port, (byte)(port >> 8)];
        Assert.Equal([0, .. prefix], await ReceiveAsync(socket));
        Assert.Equal([1, .. prefix], await ReceiveAsync(socket));

        await socket.SendAsync(new byte[] { 0, (byte)'h', (byte)'i' }, WebSocketMessageType.Binary, true, default);
        var buffer = new byte[2];
        await server.ReceiveAsync(buffer);
        Assert.Equal("hi"u8.ToArray(), buffer);
        await server.SendAsync("yes"u8.ToArray());
        Assert.Equal([0, .. "yes"u8], await ReceiveAsync(socket));
        server.Close();
        Assert.Null(await ReceiveAsync(socket));
    }

    [Fact]
    public async Task A_refused_port_is_told_on_the_error_channel()
    {
        var pod = await RunningPodAsync("refused");
        using var socket = await ConnectAsync($"/api/v1/namespaces/default/pods/{pod}/portforward?ports=1", "v4.channel.k8s.io");
        await ReceiveAsync(socket);
        await ReceiveAsync(socket);
        var error = await ReceiveAsync(socket);
        Assert.Equal(1, error![0]);
        Assert.Contains("connection refused", Encoding.UTF8.GetString(error.AsSpan(1)));
    }

    [Fact]
    public async Task Dropped_port_forwards_are_cut_and_new_ones_work()
    {
        var pod = await RunningPodAsync("dropped");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var path = $"/api/v1/namespaces/default/pods/{pod}/portforward?ports={((IPEndPoint)listener.LocalEndpoint).Port}";
        // What other tests have closed counts until the server has noticed.
        await NodeFixture.EventuallyAsync(() => Task.FromResult(fixture.Cluster.Faults.PortForwards == 0));
        using var socket = await ConnectAsync(path, "v4.channel.k8s.io");
        await ReceiveAsync(socket);
        await ReceiveAsync(socket);
        Assert.Equal(1, fixture.Cluster.Faults.DropPortForwards());
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket));
        using var again = await ConnectAsync(path, "v4.channel.k8s.io");
        Assert.NotNull(await ReceiveAsync(again));
    }

    [Fact]
    public async Task Exec_tells_output_and_exit_code()
    {
        var pod = await RunningPodAsync("exec");
        using var socket = await ConnectAsync($"/api/v1/namespaces/default/pods/{pod}/exec?command=sh&command=-c&command=echo%20out%3B%20exit%207&stdout=true&stderr=true", "v4.channel.k8s.io");
        var (output, status) = (new StringBuilder(), "");
        while (await ReceiveAsync(socket) is { } message)
        {
            if (message[0] == 1) output.Append(Encoding.UTF8.GetString(message.AsSpan(1)));
            else if (message[0] == 3) status += Encoding.UTF8.GetString(message.AsSpan(1));
        }
        Assert.Equal("out\n", output.ToString());
        Assert.Equal("7", JsonNode.Parse(status).Each("details", "causes").Single().Str("message"));
    }

    private async Task<string> RunningPodAsync(string name)
    {
        await fixture.UntilAsync(ResourceTypes.ServiceAccounts, "default", "default", _ => true);
        fixture.Create(ResourceTypes.Pods, "default", $"{{'metadata':{{'name':'{name}'}},'spec':{{'containers':[{{'name':'c','image':'i'}}]}}}}");
        await fixture.UntilAsync(ResourceTypes.Pods, "default", name, p => p.Str("status", "phase") == "Running");
        return name;
    }

    private async Task<ClientWebSocket> ConnectAsync(string path, string protocol)
    {
        var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol(protocol);
        socket.Options.SetRequestHeader("Authorization", $"Bearer {ClusterFixture.Admin.Token}");
        using var invoker = new HttpMessageInvoker(fixture.Handler(), disposeHandler: false);
        await socket.ConnectAsync(new Uri($"wss://{fixture.Cluster.Address}{path}"), invoker, default);
        return socket;
    }

    /// <summary>One message, or null when the server has closed.</summary>
    private static async Task<byte[]?> ReceiveAsync(ClientWebSocket socket)
    {
        using var message = new MemoryStream();
        var buffer = new byte[4096];
        while (true)
        {
            var piece = await socket.ReceiveAsync(buffer, default);
            if (piece.MessageType == WebSocketMessageType.Close) return null;
            message.Write(buffer, 0, piece.Count);
            if (piece.EndOfMessage) return message.ToArray();
        }
    }
}
