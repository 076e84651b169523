using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Commands;
using Telepresence.Cli.Engine.Ports;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Tests.Commands;

public sealed class LaunchArgumentsTests
{
    private static readonly LaunchArguments Shell = new() { RunShell = true };

    [Fact]
    public void Without_a_Deployment_a_new_one_is_made()
    {
        LaunchOptions options = Shell.Check();
        Assert.Equal(WorkloadMode.New, options.Workload);
        Assert.Null(options.Deployment);
        Assert.Empty(options.Command);
        Assert.Equal(Path.GetFullPath("telepresence.log"), options.LogFile);
    }

    [Fact]
    public void A_container_stands_behind_a_colon()
    {
        LaunchOptions options = (Shell with { SwapDeployment = "web:nginx" }).Check();
        Assert.Equal((WorkloadMode.Swap, "web", "nginx"), (options.Workload, options.Deployment, options.Container));
        Assert.Equal(WorkloadMode.Existing, (Shell with { Deployment = "web" }).Check().Workload);
    }

    [Theory]
    [InlineData("8080", 8080, 8080, false)]
    [InlineData("8080:80", 8080, 80, false)]
    [InlineData("8080:80/udp", 8080, 80, true)]
    [InlineData("53/udp", 53, 53, true)]
    [InlineData("53/tcp", 53, 53, false)]
    public void The_local_port_comes_first(string text, int local, int remote, bool udp) =>
        Assert.Equal(new ExposedPort((ushort)local, (ushort)remote, udp), Assert.Single((Shell with { Expose = [text] }).Check().Expose));

    [Fact]
    public void A_port_of_the_pod_serves_one_thing_for_each_protocol()
    {
        Assert.Equal(2, (Shell with { Expose = ["53", "53/udp", "53"] }).Check().Expose.Count);
        Refuses(Shell with { Expose = ["1:53", "2:53"] }, "port 53");
        Refuses(Shell with { Expose = ["53"], FromPod = ["53"] }, "port 53");
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("http")]
    [InlineData("1:2:3")]
    [InlineData("80/sctp")]
    [InlineData("80/udp/tcp")]
    [InlineData("-1")]
    [InlineData(" 80")]
    public void A_port_that_is_none(string text) => Refuses(Shell with { Expose = [text] }, $"--expose {text}");

    [Theory]
    [InlineData("Web")]
    [InlineData("web_1")]
    [InlineData("-web")]
    [InlineData("web-")]
    [InlineData("")]
    [InlineData("web:a:b")]
    [InlineData("web:")]
    public void A_name_that_Kubernetes_would_not_take(string name) => Refuses(Shell with { Deployment = name }, $"--deployment {name}");

    [Fact]
    public void Options_that_exclude_each_other()
    {
        Refuses(Shell with { NewDeployment = "a", SwapDeployment = "b" }, "--new-deployment and --swap-deployment");
        Refuses(Shell with { Run = ["true"] }, "--run-shell and --run");
        Refuses(new LaunchArguments(), "--run-shell");
        Refuses(new LaunchArguments { Run = [] }, "--run");
        Refuses(Shell with { Deployment = "a", ServiceAccount = "b" }, "--serviceaccount");
        Refuses(Shell with { Mount = "false", MountWrite = true }, "--mount-write");
        Refuses(Shell with { Mount = "" }, "--mount");
        Refuses(Shell with { Mount = "/etc" }, "--mount /etc");
    }

    [Fact]
    public void Mount_is_a_path_or_a_word()
    {
        Assert.Equal((true, null), Mounting(null));
        Assert.Equal((true, null), Mounting("true"));
        Assert.False(Mounting("false").Mount);
        Assert.Equal((true, "/x/y"), Mounting("/x/y"));

        static (bool Mount, string? Point) Mounting(string? value)
        {
            LaunchOptions options = (Shell with { Mount = value }).Check();
            return (options.Mount.IsWanted, options.Mount.Path);
        }
    }

    private static void Refuses(LaunchArguments arguments, string part)
    {
        UserError error = Assert.Throws<UserError>(arguments.Check);
        Assert.Equal(ExitCode.BadArguments, error.ExitCode);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }
}
