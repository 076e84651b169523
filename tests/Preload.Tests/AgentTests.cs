using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Launch.Preload;
using Telepresence.Dns;
using Telepresence.Preload.Tests.Harness;

namespace Telepresence.Preload.Tests;

/// <summary>What the agent lets in, keeps and forgets.</summary>
[Collection(ClusterCollection.Name)]
public sealed class AgentTests(Cluster cluster)
{
    // Of ports that the kernel does not give out by itself: one that passes from a program to the next must be free in between.
    private const int FirstPort = 20071, SecondPort = 20072;

    // In seconds: for what must come, and for what must not.
    private const int Long = 60, Short = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly string[] AsNobody = ["setpriv", "--reuid", "65534", "--clear-groups"];

    [Fact]
    public async Task A_socket_that_no_program_has_claimed_reaches_nothing()
    {
        using AgentClient client = new(cluster.Method);
        IPEndPoint standIn = client.MapTcp("10.99.0.1", ClusterServers.EchoPort);
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await stranger.ConnectAsync(standIn).WaitAsync(Patience);
        Assert.Equal(0, stranger.Send("GET / HTTP/1.0\r\n\r\n"u8) - 18);
        SocketException reset = await Assert.ThrowsAsync<SocketException>(() => stranger.ReceiveAsync(new byte[16]).WaitAsync(Patience));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public async Task A_socket_that_its_program_claims_gets_what_was_dialled_for_it()
    {
        using AgentClient client = new(cluster.Method);
        IPEndPoint standIn = client.MapTcp("10.99.0.1", ClusterServers.EchoPort);
        Assert.Equal(0, client.Verdict());
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(standIn).WaitAsync(Patience);
        client.Claim((IPEndPoint)socket.LocalEndPoint!);
        byte[] greeting = new byte[ClusterServers.Greeting.Length];
        await socket.ReceiveAsync(greeting).WaitAsync(Patience);
        Assert.Equal("hello\n"u8.ToArray(), greeting);
    }

    [Fact]
    public void Nobody_but_the_user_can_ask_the_agent()
    {
        string socket = cluster.Method.Variables(null)[PreloadEnvironment.SettingsVariable].Split(';')[6];
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(socket)!));
    }

    [Fact]
    public async Task Datagrams_of_another_user_go_nowhere()
    {
        using AgentClient client = new(cluster.Method);
        IPEndPoint standIn = client.MapUdp("10.99.0.1", ClusterServers.EchoPort);
        Output own = await Shell.RunAsync("", "bash", "-c", Script(Long));
        Output other = await Shell.RunAsync("", [.. AsNobody, "bash", "-c", Script(Short)]);
        Assert.Equal("echo:hello", own.Text);
        Assert.Equal("", other.Text);

        string Script(int patience) => $"exec 3<>/dev/udp/{standIn.Address}/{standIn.Port}; echo hello >&3; timeout {patience} head -c 10 <&3";
    }

    [Fact]
    public async Task A_port_that_passes_to_another_user_is_shut()
    {
        using AgentClient client = new(cluster.Method);
        IPEndPoint standIn = client.MapUdp("10.99.0.1", ClusterServers.EchoPort);
        Assert.Equal("bound\necho:hello\n", await Shell.MustAsync(Datagram(standIn, FirstPort, "hello", Long)));
        Assert.Equal("bound\nnothing\n", await Shell.MustAsync([.. AsNobody, .. Datagram(standIn, FirstPort, "hello", Short)]));
        Assert.Equal("bound\necho:hello\n", await Shell.MustAsync(Datagram(standIn, FirstPort, "hello", Long)));
    }

    [Fact]
    public async Task Answers_to_a_port_that_has_passed_to_another_user_are_not_for_them()
    {
        using AgentClient client = new(cluster.Method);
        IPEndPoint standIn = client.MapUdp("10.99.0.1", ClusterServers.EchoPort);
        using Process own = Shell.Start(Datagram(standIn, SecondPort, ClusterServers.Held, Long));
        Assert.Equal("bound", await own.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        Action answer = await cluster.Servers.HeldAsync().WaitAsync(Patience);
        answer();
        Assert.Equal($"echo:{ClusterServers.Held}", await own.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        await own.WaitForExitAsync().WaitAsync(Patience);

        using Process other = Shell.Start([.. AsNobody, .. Datagram(standIn, SecondPort, "", Short)]);
        Assert.Equal("bound", await other.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        answer();
        Assert.Equal("nothing", await other.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        await other.WaitForExitAsync().WaitAsync(Patience);
    }

    [Fact]
    public void Exceptions_are_left_alone()
    {
        using AgentClient client = new(cluster.Method);
        Assert.Equal(AgentClient.Direct, client.Ask(1, "10.95.1.2", 443)[0]);
    }

    [Fact]
    public void Loopback_is_left_alone_even_on_port_53()
    {
        using AgentClient client = new(cluster.Method);
        Assert.Equal(AgentClient.Direct, client.Ask(1, "127.0.0.1", 53)[0]);
    }

    [Fact]
    public void What_is_no_question_ends_the_conversation()
    {
        using AgentClient client = new(cluster.Method);
        Assert.Empty(client.Send([99, 0, 0, 0, 1]));
    }

    [Fact]
    public void An_unknown_stand_in_stands_for_nothing()
    {
        using AgentClient client = new(cluster.Method);
        Assert.Equal(AgentClient.Error, client.Ask(3, "127.1.2.3", 80)[0]);
    }

    [Fact]
    public async Task Without_an_agent_a_remote_address_is_out_of_reach_and_nothing_goes_around_it()
    {
        PreloadMethod method = await PreloadMethod.StartAsync(cluster.Engine, cluster.Options("another"));
        string[] variables = [.. method.Variables(null).Select(static variable => $"{variable.Key}={variable.Value}")];
        await method.DisposeAsync();
        Output output = await Shell.RunAsync("", ["env", .. variables, Path.Combine(Cluster.Programs, "glibc", "connect")]);
        Assert.Contains("open: ENETUNREACH", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_session_a_remote_address_is_out_of_reach_and_so_are_names()
    {
        await using ConnectEngine engine = new();
        await engine.AttachNetworkAsync(new EngineNetwork { DnsRules = new DnsRules(new DnsRulesOptions { Search = ["default.svc.cluster.local"] }), RouteOutside = static _ => Task.CompletedTask });
        await using PreloadMethod method = await PreloadMethod.StartAsync(engine, cluster.Options("lonely"));
        string[] variables = [.. method.Variables(null).Select(static variable => $"{variable.Key}={variable.Value}")];
        Output connect = await Shell.RunAsync("", ["env", .. variables, Path.Combine(Cluster.Programs, "glibc", "connect")]);
        Assert.Contains("open: ENETUNREACH", connect.Text, StringComparison.Ordinal);
        Output names = await Shell.RunAsync("", ["env", .. variables, Path.Combine(Cluster.Programs, "musl", "getnameinfo")]);
        Assert.Contains("10.99.0.3 80 8: -", names.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_is_killed_before_its_socket_arrives_leaves_no_connection_behind()
    {
        await EventuallyAsync(() => cluster.Servers.OpenConnections == 0);
        using (AgentClient client = new(cluster.Method))
        {
            client.MapTcp("10.99.0.1", ClusterServers.EchoPort);
            Assert.Equal(0, client.Verdict());
            await EventuallyAsync(() => cluster.Servers.OpenConnections == 1);
        }

        await EventuallyAsync(() => cluster.Servers.OpenConnections == 0);
    }

    [Fact]
    public async Task A_program_without_settings_or_with_broken_ones_runs_outside_and_the_latter_says_so()
    {
        Output none = await Shell.RunAsync("", "env", $"LD_PRELOAD={Build.Library}", "echo", "fine");
        Assert.Equal("fine\nexit code 0\n", none.ToString());
        Output broken = await Shell.RunAsync("", "env", $"LD_PRELOAD={Build.Library}", $"{PreloadEnvironment.SettingsVariable}=nonsense", "echo", "fine");
        Assert.Equal("fine\n", broken.Text);
        Assert.Contains("stays outside the cluster", broken.Errors, StringComparison.Ordinal);
    }

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        for (int i = 0; i < 6000 && !condition(); i++)
            await Task.Delay(10);
        Assert.True(condition());
    }

    /// <summary>A program that says when it has its port, sends a datagram from there unless it is empty, and prints what comes.</summary>
    private static string[] Datagram(IPEndPoint target, int port, string text, int patience)
    {
        const string Script = """
            import socket, sys
            address, target, port, text, patience = sys.argv[1:]
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", int(port)))
            s.connect((address, int(target)))
            s.settimeout(int(patience))
            print("bound", flush=True)
            if text: s.send(text.encode())
            try: print(s.recv(100).decode())
            except TimeoutError: print("nothing")
            """;
        return ["/usr/bin/python3", "-c", Script, target.Address.ToString(), $"{target.Port}", $"{port}", text, $"{patience}"];
    }
}
