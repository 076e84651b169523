using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Link;

/// <summary>The link to the cluster is cut, stalls or is away; the pod is lost.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class LinkTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private Laptop _laptop = null!;

    public async Task InitializeAsync() => _laptop = await cluster.LaptopAsync();

    public async Task DisposeAsync()
    {
        await cluster.ControlAsync("reset");
        (await _laptop.TelepresenceAsync("quit")).Good();
        await _laptop.DisposeAsync();
    }

    [Fact]
    public async Task A_download_survives_a_link_that_is_cut_three_times_and_stalls_once()
    {
        const int size = 80_000_000, pieces = 5;
        await ConnectAsync("cuts");
        string expected = (await _laptop.RunAsync("curl", "-sS", $"http://files.other/bytes/{size}/sha256")).Good();
        string pipe = await _laptop.MakePipeAsync("download");
        RunningCommand download = _laptop.Begin("curl", "-sS", "-o", pipe, $"http://files.other/bytes/{size}");

        // The test itself reads, so that the download waits for it at each cut and cannot be over before the last one.
        await using FileStream bytes = await Laptop.OpenPipeAsync(pipe, FileAccess.Read);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] piece = new byte[size / pieces];
        for (int i = 1; i <= pieces; i++)
        {
            await bytes.ReadExactlyAsync(piece).AsTask().WaitAsync(Patience);
            hash.AppendData(piece);
            if (i < pieces)
                await (i == 2 ? cluster.ControlAsync("stall-port-forwards", "3") : cluster.ControlAsync("drop-port-forwards"));
        }

        (await download.EndAsync()).Good();
        Assert.Equal(expected, Convert.ToHexStringLower(hash.GetHashAndReset()));
        Assert.True((int)(await _laptop.ConnectedStatusAsync())["traffic_manager"]!["links"]! >= pieces - 1);
    }

    [Fact]
    public async Task An_upload_survives_a_link_that_is_cut()
    {
        const int size = 50_000_000, pieces = 5;
        await ConnectAsync("upload-cuts");
        string pipe = await _laptop.MakePipeAsync("upload");
        string head = $@"PUT /sha256 HTTP/1.1\r\nHost: files\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n";
        RunningCommand upload = _laptop.Begin("bash", "-c", $"exec 3<>/dev/tcp/files.other/80; printf '{head}' >&3; cat {pipe} >&3; cat <&3 | tail -n 1");
        byte[] bytes = RandomNumberGenerator.GetBytes(size);
        await using (FileStream feed = await Laptop.OpenPipeAsync(pipe, FileAccess.Write))
        {
            for (int i = 0; i < pieces; i++)
            {
                await feed.WriteAsync(bytes.AsMemory(size / pieces * i, size / pieces)).AsTask().WaitAsync(Patience);
                if (i is not (1 or 3))
                    continue;
                long before = await LinksAsync();
                await cluster.ControlAsync("drop-port-forwards");
                await Eventually.GivesAsync("there is another link", LinksAsync, links => links > before);
            }
        }

        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), (await upload.EndAsync()).Good());
    }

    [Fact]
    public async Task An_open_connection_survives_an_API_server_that_is_away_and_home_keeps_its_names_meanwhile()
    {
        await ConnectAsync("away");
        string go = Path.Combine(_laptop.Home, "go");
        RunningCommand talk = _laptop.Begin("bash", "-c", $"exec 3<>/dev/tcp/files.other/7; echo before >&3; head -n 1 <&3; until [ -e {go} ]; do sleep 0.1; done; echo after >&3; head -n 1 <&3");
        await talk.SaysAsync("before");
        await cluster.ControlAsync("away", "60");
        await Eventually.GivesAsync("status says so", StateAsync, static state => state == "Reconnecting");
        Assert.Equal("192.168.1.20", (await _laptop.RunAsync("dig", "+short", "printer.home.example")).Good());
        Assert.Equal("a page at home", (await _laptop.RunAsync("curl", "-sS", "--max-time", "20", "http://printer/index.html")).Good());
        Assert.NotNull((string?)(await _laptop.ConnectedStatusAsync())["user_daemon"]!["error"]);
        await cluster.ControlAsync("reset");
        File.WriteAllText(go, "");
        CommandResult talked = await talk.EndAsync();
        Assert.Equal("before\nafter", talked.Good());
        Assert.Equal("Connected", await StateAsync());
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "--max-time", "20", "http://files.other/")).Good());
    }

    [Fact]
    public async Task After_a_lost_pod_new_connections_work_and_old_ones_are_told()
    {
        string name = await ConnectAsync("lost-pod");
        RunningCommand open = _laptop.Begin("bash", "-c", "exec 3<>/dev/tcp/files.other/7; echo open >&3; head -n 1 <&3; cat <&3");
        await open.SaysAsync("open");
        string pod = await cluster.ProxyPodAsync(name);
        await cluster.ControlAsync("kill-pod", $"{name}/{pod}");
        CommandResult ended = await open.EndAsync();
        Assert.NotEqual(124, ended.ExitCode);
        await IsConnectedAgainAsync();
        Assert.NotEqual(pod, (string?)(await _laptop.ConnectedStatusAsync())["traffic_manager"]!["pod"]);
    }

    [Fact]
    public async Task After_a_restart_of_the_proxy_s_container_new_connections_work()
    {
        string name = await ConnectAsync("lost-container");
        string pod = await cluster.ProxyPodAsync(name);
        await cluster.ControlAsync("kill-container", $"{name}/{pod}");

        // The session may be replaced faster than anybody can look, so the cluster says that there was something to replace.
        await Eventually.GivesAsync("the container was restarted", async () => (int)(await cluster.Api.GetAsync($"/api/v1/namespaces/{name}/pods/{pod}"))["status"]!["containerStatuses"]![0]!["restartCount"]!, static count => count > 0);
        await IsConnectedAgainAsync();
    }

    [Fact]
    public async Task A_Deployment_that_somebody_deleted_is_made_anew()
    {
        string name = await ConnectAsync("lost-deployment");
        string old = Assert.Single(await cluster.ProxiesAsync(name));
        await cluster.Api.DeleteAsync($"/apis/apps/v1/namespaces/{name}/deployments/{old}");
        await Eventually.GivesAsync("there is another Deployment", async () => string.Join(' ', await cluster.ProxiesAsync(name)), left => left.Length > 0 && left != old);
        await IsConnectedAgainAsync();
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task Pods_behind_a_Service_may_be_replaced_during_a_session()
    {
        await ConnectAsync("replaced");
        string files = Assert.Single(await cluster.Api.NamesAsync("/api/v1/namespaces/other/pods?labelSelector=run%3Dfiles"));
        await cluster.ControlAsync("kill-pod", $"other/{files}");
        await Eventually.HoldsAsync("the Service answers again", async () => (await _laptop.RunAsync("curl", "-sS", "--max-time", "5", "http://files.other/")).Output == "practice\n");
    }

    [Fact]
    public async Task Kubectl_that_somebody_killed_is_started_again()
    {
        await ConnectAsync("kubectl");
        (await _laptop.ShellAsync("for p in /proc/[0-9]*; do case \"$(tr '\\0' ' ' <$p/cmdline)\" in */kubectl\\ proxy*) kill -9 ${p#/proc/} ;; esac 2>/dev/null; done")).Good();
        await IsConnectedAgainAsync();
    }

    private async Task<string> ConnectAsync(string name)
    {
        await cluster.NamespaceAsync(name);
        await _laptop.ConnectAsync("--namespace", name);
        return name;
    }

    private async Task IsConnectedAgainAsync()
    {
        await Eventually.HoldsAsync("the Service answers again", async () => (await _laptop.RunAsync("curl", "-sS", "--max-time", "5", "http://files.other/")).Output == "practice\n");
        await Eventually.GivesAsync("status says so", StateAsync, static state => state == "Connected");
        JsonNode status = await _laptop.ConnectedStatusAsync();
        Assert.Null((string?)status["user_daemon"]!["error"]);
        Assert.Equal("Established", (string?)status["traffic_manager"]!["session"]);
    }

    private async Task<string?> StateAsync() => (string?)(await _laptop.ConnectedStatusAsync())["user_daemon"]!["status"];

    private async Task<long> LinksAsync() => (long?)(await _laptop.ConnectedStatusAsync())["traffic_manager"]!["links"] ?? 0;
}
