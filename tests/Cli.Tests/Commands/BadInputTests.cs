using Telepresence.Cli.Tests.Cluster;

namespace Telepresence.Cli.Tests.Commands;

/// <summary>What bad input gets: one sentence on standard error, the documented exit code, nothing left behind. The real program, as root.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly CliProcess _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task No_kubectl() =>
        await RefusesAsync(ExitCode.KubectlMissing, "kubectl is not in the PATH", "connect");

    [Fact]
    public async Task No_kubeconfig()
    {
        _cli.WriteKubectl("echo 'error: current-context must exist in order to minify' >&2; exit 1\n");
        await RefusesAsync(ExitCode.Kubeconfig, "--kubeconfig", "connect");
    }

    [Fact]
    public async Task A_kubeconfig_file_that_does_not_exist()
    {
        _cli.WriteKubectl("exit 1\n");
        await RefusesAsync(ExitCode.Kubeconfig, "/nonexistent/config does not exist", "connect", "--kubeconfig", "/nonexistent/config");
    }

    [Fact]
    public async Task An_unknown_context()
    {
        _cli.WriteKubectl("echo 'error: cannot locate context nope' >&2; exit 1\n");
        await RefusesAsync(ExitCode.ContextUnknown, "has no context nope", "connect", "--context", "nope");
    }

    [Theory]
    [InlineData(502, "text/plain", "dial tcp 192.0.2.1:6443: connect: connection refused", ExitCode.ApiUnreachable, "https://192.0.2.1:6443 cannot be reached")]
    [InlineData(401, "application/json", """{"kind":"Status","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}""", ExitCode.Unauthorized, "does not accept your credentials (401")]
    [InlineData(403, "application/json", """{"kind":"Status","status":"Failure","message":"deployments.apps is forbidden: User \"jane\" cannot create resource \"deployments\"","reason":"Forbidden","code":403}""", ExitCode.Forbidden, "verb \"create\" on \"deployments.apps\"")]
    [InlineData(404, "application/json", """{"kind":"Status","status":"Failure","message":"namespaces \"web\" not found","reason":"NotFound","details":{"name":"web","kind":"namespaces"},"code":404}""", ExitCode.NamespaceMissing, "no namespace web")]
    public async Task A_cluster_that_refuses(int status, string type, string body, int exitCode, string sentence)
    {
        await using FakeApiServer server = await FakeApiServer.StartAsync(status, body, type);
        _cli.WriteKubectlFor(server.SocketPath);
        await RefusesAsync(exitCode, sentence, "connect");
    }

    [Theory]
    [InlineData("--also-proxy", "10.0.0.0/33")]
    [InlineData("--never-proxy", "no such host")]
    [InlineData("--dns-suffix", "a b")]
    [InlineData("--image", "a b")]
    public async Task A_value_that_makes_no_sense(string option, string value) =>
        await RefusesAsync(ExitCode.BadArguments, value, "connect", option, value);

    [Theory]
    [InlineData("frobnicate")]
    [InlineData("connect", "stray")]
    [InlineData("connect", "--")]
    [InlineData("connect", "--contex", "abbreviated")]
    [InlineData("connect", "--context")]
    [InlineData("status", "--", "true")]
    [InlineData("status", "--output", "xml")]
    public async Task A_command_line_that_makes_no_sense(params string[] arguments) =>
        await RefusesAsync(ExitCode.BadArguments, "--help", arguments);

    [Fact]
    public async Task A_command_that_does_not_exist() =>
        await RefusesAsync(ExitCode.CommandNotFound, "no-such-program: command not found", "connect", "--", "no-such-program");

    [Fact]
    public async Task Json_holds_the_same_sentence()
    {
        (int exitCode, string output, string error) = await _cli.RunAsync("connect", "--output", "json");

        Assert.Equal(ExitCode.KubectlMissing, exitCode);
        Assert.StartsWith("""{"cmd":"connect",""", output, StringComparison.Ordinal);
        Assert.Contains("kubectl is not in the PATH", output, StringComparison.Ordinal);
        Assert.Empty(error);
    }

    [Fact]
    public async Task Without_a_cluster_the_other_verbs_work()
    {
        Assert.Equal((0, "1.0.0\n", ""), await _cli.RunAsync("--version"));
        Assert.Equal((0, "User Daemon: Not running\nRoot Daemon: Not running\nTraffic Manager: Not connected\n", ""), await _cli.RunAsync("status"));
        Assert.Equal((0, "Not connected\n", ""), await _cli.RunAsync("quit"));
        Assert.Equal((0, "Telepresence Daemons quitting...done\n", ""), await _cli.RunAsync("quit", "-s"));
        (int exitCode, string output, _) = await _cli.RunAsync("version");
        Assert.Equal(0, exitCode);
        Assert.StartsWith("OSS Client         : v1.0.0\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("help", "connect")]
    [InlineData("connect", "--help")]
    public async Task Help_shows_examples(params string[] arguments)
    {
        (int exitCode, string output, _) = await _cli.RunAsync(arguments);

        Assert.Equal(0, exitCode);
        Assert.Contains("--also-proxy", output, StringComparison.Ordinal);
        Assert.Contains("Examples:", output, StringComparison.Ordinal);
    }

    private async Task RefusesAsync(int exitCode, string sentence, params string[] arguments)
    {
        (int ended, _, string error) = await _cli.RunAsync(arguments);

        string[] lines = error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(sentence, Assert.Single(lines, static line => line.Contains("error:", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Equal(exitCode, ended);
        Assert.DoesNotContain(lines, static line => line.StartsWith("   at ", StringComparison.Ordinal) || line.Contains("Exception", StringComparison.Ordinal));
        Assert.True(_cli.BecomesClean(), "a daemon or an open journal was left behind");
    }
}
