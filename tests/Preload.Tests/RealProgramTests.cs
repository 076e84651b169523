using Telepresence.Preload.Tests.Harness;

namespace Telepresence.Preload.Tests;

/// <summary>Programs that people use, behind the shim, with what they are used for.</summary>
[Collection(ClusterCollection.Name)]
public sealed class RealProgramTests(Cluster cluster)
{
    private const string Web = "http://web.default.svc.cluster.local/";

    [Theory]
    [InlineData("curl", "-sS", Web)]
    [InlineData("curl", "-sS", "http://web/")]
    [InlineData("curl", "-sS", "-6", "http://web.default/")]
    [InlineData("curl", "-sS", "http://10.99.0.1/")]
    [InlineData("curl", "-sS", "http://[fd99::1]/")]
    [InlineData("wget", "-qO-", "-T", "10", "http://web.default.svc/")]
    [InlineData("python3", "-c", "import urllib.request as u; print(u.urlopen('http://web/').read().decode(), end='')")]
    [InlineData("node", "-e", "fetch('http://web.default/').then(r => r.text()).then(t => process.stdout.write(t))")]
    [InlineData("perl", "-MIO::Socket::INET", "-e", "$s = IO::Socket::INET->new('web:80') or die $!; print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; while (<$s>) { $b .= $_ } $b =~ s/.*?\\r\\n\\r\\n//s; print $b")]
    [InlineData("bash", "-c", "exec 3<>/dev/tcp/web/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; sed '1,/^\\r$/d' <&3")]
    [InlineData("socat", "-t", "20", "-", "EXEC:'curl -sS http://web/'")]
    [InlineData("java", "-Xint", "-XX:+UseSerialGC", "Fetch.java", Web)]
    public async Task A_page_of_the_cluster_is_read(params string[] command)
    {
        if (command[0] == "java" && !File.Exists("/usr/bin/java"))
            return;
        Output output = await cluster.BehindShimAsync(Prepare(command));
        Assert.Equal($"{ClusterServers.Page}exit code 0\n", output.ToString());
    }

    [Fact]
    public async Task Curl_says_which_address_it_is_connected_to()
    {
        Output output = await cluster.BehindShimAsync("curl", "-sS", "-o", "/dev/null", "-w", "%{remote_ip}:%{remote_port}\n", Web);
        Assert.Matches(@"^(10\.99\.0\.1|fd99::1):80\n$", output.Text);
    }

    [Theory]
    [InlineData("curl", "-sS", "http://10.99.0.1:9/")]
    [InlineData("node", "-e", "require('net').connect(9, '10.99.0.1').on('error', e => { console.error(e.code === 'ECONNREFUSED' ? 'Connection refused' : e.code); process.exit(7) })")]
    [InlineData("python3", "-c", "import socket; socket.create_connection(('10.99.0.1', 9))")]
    [InlineData("bash", "-c", "exec 3<>/dev/tcp/10.99.0.1/9")]
    public async Task A_refused_connection_is_refused(params string[] command)
    {
        Output output = await cluster.BehindShimAsync(command);
        Assert.NotEqual(0, output.ExitCode);
        Assert.Matches("refused|Couldn't connect to server", output.Errors);
    }

    [Theory]
    [InlineData("dig", "+short", "+search", "web.default.svc.cluster.local", "A")]
    [InlineData("dig", "+short", "+tcp", "web.default.svc.cluster.local", "A")]
    [InlineData("dig", "+short", "@10.96.0.10", "web.default.svc.cluster.local", "A")]
    [InlineData("dig", "+short", "@10.96.0.10", "+tcp", "web.default.svc.cluster.local", "A")]
    [InlineData("python3", "-c", "import socket; print(socket.gethostbyname('web'))")]
    [InlineData("node", "-e", "require('dns').resolve4('web.default.svc.cluster.local', (e, a) => console.log(e || a[0]))")]
    [InlineData("node", "-e", "require('dns').lookup('web', 4, (e, a) => console.log(e || a))")]
    [InlineData("sh", "-c", "getent ahostsv4 web | awk '{ print $1; exit }'")]
    public async Task A_name_of_the_cluster_is_looked_up(params string[] command)
    {
        Output output = await cluster.BehindShimAsync(command);
        Assert.Equal("10.99.0.1\nexit code 0\n", output.ToString());
    }

    [Fact]
    public async Task Nslookup_names_the_server_that_it_has_asked()
    {
        Output output = await cluster.BehindShimAsync("nslookup", "web.default.svc.cluster.local");
        Assert.Contains("192.0.2.53#53", output.Text, StringComparison.Ordinal);
        Assert.Contains("10.99.0.1", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Services_are_found_by_SRV_records()
    {
        Output output = await cluster.BehindShimAsync("dig", "+short", "_http._tcp.web.default.svc.cluster.local", "SRV");
        Assert.Equal("0 0 80 web.default.svc.cluster.local.\nexit code 0\n", output.ToString());
    }

    [Fact]
    public async Task Redis_cli_talks_to_a_server()
    {
        cluster.StartInCluster("redis-server", "--bind", "10.99.0.1", "--port", "6379", "--save", "", "--protected-mode", "no", "--daemonize", "no");
        await cluster.WaitForPortAsync("10.99.0.1", 6379);
        Output output = await cluster.BehindShimAsync("redis-cli", "-h", "web", "ping");
        Assert.Equal("PONG\nexit code 0\n", output.ToString());
    }

    [Fact]
    public async Task OpenSSL_shakes_hands_with_a_server()
    {
        string key = Path.Combine(Path.GetTempPath(), $"preload-tests-{Environment.ProcessId}.pem");
        await Shell.MustAsync("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", key, "-subj", "/CN=web", "-days", "2");
        try
        {
            cluster.StartInCluster("openssl", "s_server", "-accept", "10.99.0.1:443", "-cert", key, "-key", key, "-www");
            await cluster.WaitForPortAsync("10.99.0.1", 443);
            Output output = await cluster.BehindShimAsync("openssl", "s_client", "-connect", "web.default.svc.cluster.local:443", "-brief");
            Assert.Contains("Peer certificate: CN = web", output.Errors, StringComparison.Ordinal);
            Output curl = await cluster.BehindShimAsync("curl", "-sSk", "-o", "/dev/null", "-w", "%{http_code}\n", "https://web/");
            Assert.Equal("200\nexit code 0\n", curl.ToString());
        }
        finally
        {
            File.Delete(key);
        }
    }

    [Fact]
    public async Task Git_lists_a_repository()
    {
        string directory = Directory.CreateTempSubdirectory("preload-tests-git-").FullName;
        try
        {
            await Shell.MustAsync("sh", "-ec", $"cd {directory} && git init -q -b main r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one");
            cluster.StartInCluster("git", "daemon", "--listen=10.99.0.1", "--export-all", $"--base-path={directory}", "--reuseaddr");
            await cluster.WaitForPortAsync("10.99.0.1", 9418);
            Output output = await cluster.BehindShimAsync("git", "-c", "safe.directory=*", "ls-remote", "git://web/r");
            Assert.Contains("refs/heads/main", output.Text, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    // The test's own assembly is also a program: see Program.cs.
    [Fact]
    public async Task Dotnet_reads_a_page_looks_up_a_name_and_exchanges_datagrams()
    {
        Output output = await cluster.BehindShimAsync("dotnet", typeof(RealProgramTests).Assembly.Location, "probe");
        Assert.Equal("hello from the cluster\n10.99.0.1\necho:datagram from 10.99.0.1:7\nrefused: ConnectionRefused\nexit code 0\n", output.ToString());
    }

    private static string[] Prepare(string[] command) =>
        [.. command.Select(static word => word == "Fetch.java" ? Path.Combine(Build.Repository, "tests", "Preload.Tests", "Programs", word) : word)];
}
