using Telepresence.Cli.Cluster;
using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class ConnectOptionsTests
{
    private static readonly KubeTarget Target = new("dev", "web", "https://api.example.com", null);

    [Fact]
    public void The_same_target_is_the_same_connection_wherever_its_kubeconfig_lies() =>
        Assert.True(Request(Target with { Kubeconfig = "/k" }, new()).IsSameAs(Request(Target, new() { AlsoProxy = ["10.0.0.0/8"] })));

    [Fact]
    public void Another_context_namespace_server_or_user_is_another_one()
    {
        ConnectRequest present = Request(Target, new());

        Assert.False(Request(Target with { Context = "prod" }, new()).IsSameAs(present));
        Assert.False(Request(Target with { Namespace = "api" }, new()).IsSameAs(present));
        Assert.False(Request(Target with { Server = "https://other" }, new()).IsSameAs(present));
        Assert.False(Request(Target, new(), uid: 1001).IsSameAs(present));
    }

    [Fact]
    public void An_option_that_the_connection_does_not_have_is_not_silently_ignored()
    {
        ConnectRequest present = Request(Target, new() { AlsoProxy = ["10.0.0.0/8"], DnsSuffixes = ["corp"] });

        Assert.True(Request(Target, new() { AlsoProxy = ["10.0.0.0/8"] }).IsSameAs(present));
        Assert.False(Request(Target, new() { AlsoProxy = ["10.0.0.0/8", "172.16.0.0/12"] }).IsSameAs(present));
        Assert.False(Request(Target, new() { All = true }).IsSameAs(present));
        Assert.False(Request(Target, new() { Image = "mine:1" }).IsSameAs(present));
    }

    [Fact]
    public void A_request_survives_its_way_to_the_daemon()
    {
        ConnectRequest sent = Request(Target, new() { AlsoProxyHosts = ["db.example.com"], All = true, Verbose = true }) with { Hold = true };

        ConnectRequest received = MessageJson.Decode(MessageJson.Encode(new Message { Kind = MessageKind.Connect, Connect = sent })).Connect!;

        Assert.True(received.Hold && received.Options.All && received.Options.Verbose);
        Assert.Equal(sent.Target, received.Target);
        Assert.Equal(sent.User.Environment, received.User.Environment);
        Assert.Equal(sent.Options.AlsoProxyHosts, received.Options.AlsoProxyHosts);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"kind":"Nonsense"}""")]
    [InlineData("""{"kind":"Connect","connect":{"version":1}}""")]
    public void What_is_no_message_is_refused(string line) =>
        Assert.Throws<IOException>(() => MessageJson.Decode(System.Text.Encoding.UTF8.GetBytes(line)));

    private static ConnectRequest Request(KubeTarget target, ConnectOptions options, uint uid = 1000) => new()
    {
        Version = "1.0.0",
        User = new InvokingUser(uid, uid, "jane", "/home/jane", new Dictionary<string, string> { ["A"] = "b" }),
        Target = target,
        Options = options,
    };
}
