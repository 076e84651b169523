using System.Diagnostics;

namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>
/// The real systemd-resolved with a D-Bus of its own, asked through its stub (as glibc, Go and dig do) and through nss-resolve's way
/// (<c>resolvectl query</c>).
/// </summary>
public sealed class ResolvedTests
{
    private static Process Hold(HostNamespace host, params string[] more)
    {
        Process helper = host.Helper(["hold", host.Journal, "tel0", "198.18.77.1", .. more]);
        string? line = helper.StandardOutput.ReadLine();
        Assert.True(line is not null, line is null ? helper.StandardError.ReadToEnd() : "");
        Assert.StartsWith("systemd-resolved|192.0.2.53|corp.example|", line, StringComparison.Ordinal);
        return helper;
    }

    private static string Order(Process helper, string command)
    {
        helper.StandardInput.WriteLine(command);
        return helper.StandardOutput.ReadLine() ?? helper.StandardError.ReadToEnd();
    }

    private static string Snapshot(HostNamespace host) => host.Run("cat /etc/resolv.conf; readlink /etc/resolv.conf; resolvectl dns; resolvectl domain; resolvectl default-route");

    private static string Query(HostNamespace host, string name)
    {
        string output = host.Try($"resolvectl query --legend=no -4 {name}").Output;
        return output.Split([' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(1) ?? "";
    }

    [Fact]
    public void Cluster_names_are_found_every_way_and_nothing_is_left_after_undo()
    {
        using HostNamespace host = new();
        host.StartResolved();
        string before = Snapshot(host);
        Process helper = Hold(host);
        foreach (string name in new[] { "helloworld", "helloworld.default", "helloworld.default.svc", "helloworld.default.svc.cluster.local" })
            Assert.Equal("10.96.0.7", host.Resolve(name));
        Assert.Equal("10.96.0.7", Query(host, "helloworld"));
        Assert.Equal("10.96.0.7", Query(host, "helloworld.default.svc.cluster.local"));
        Assert.Equal("10.96.0.7", host.Run("dig +short helloworld.default.svc.cluster.local").Trim());
        Assert.Equal("unchanged", Order(helper, "check"));
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal(before, Snapshot(host));
        Assert.Equal("", host.Resolve("helloworld.default.svc.cluster.local"));
    }

    [Fact]
    public void Outside_names_stay_with_the_machines_servers_and_what_only_the_cluster_knows_is_found()
    {
        using HostNamespace host = new();
        host.StartResolved();
        Hold(host);
        Assert.Equal("192.0.2.80", host.Resolve("www.example.com"));
        Assert.Equal("192.0.2.81", host.Resolve("intranet"));
        Assert.Equal("172.20.0.4", host.Resolve("db.cloud.example.net"));
    }

    [Fact]
    public void With_everything_our_server_alone_is_asked()
    {
        using HostNamespace host = new();
        host.StartResolved();
        Hold(host, "all");
        for (int i = 0; i < 5; i++)
        {
            host.Run("resolvectl flush-caches");
            Assert.Equal("172.20.0.5", host.Resolve("both.example.com"));
        }
    }

    [Fact]
    public void After_kill_9_the_next_process_takes_it_back()
    {
        using HostNamespace host = new();
        host.StartResolved();
        string before = Snapshot(host);
        Process helper = Hold(host);
        helper.Kill();
        helper.WaitForExit();
        Assert.NotEqual(before, Snapshot(host));
        Process next = host.Helper("undo", host.Journal);
        Assert.Equal("undone", next.StandardOutput.ReadLine());
        Assert.Equal(before, Snapshot(host));
    }

    [Fact]
    public void An_interface_that_is_gone_needs_no_undo_and_the_machine_keeps_its_names()
    {
        using HostNamespace host = new();
        host.StartResolved();
        Process helper = Hold(host);
        host.Run("ip link delete tel0");
        host.WaitFor("! resolvectl dns | grep tel0");
        Assert.Equal("192.0.2.80", host.Resolve("www.example.com"));
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal("192.0.2.80", host.Resolve("www.example.com"));
    }

    [Fact]
    public void Settings_that_somebody_reverts_are_put_back()
    {
        using HostNamespace host = new();
        host.StartResolved();
        Process helper = Hold(host);
        host.Run("resolvectl revert tel0");
        Assert.StartsWith("systemd-resolved|192.0.2.53|", Order(helper, "check"), StringComparison.Ordinal);
        Assert.Equal("10.96.0.7", host.Resolve("helloworld"));
        Assert.Equal("unchanged", Order(helper, "check"));
    }

    [Fact]
    public void New_servers_of_the_machine_are_reported()
    {
        using HostNamespace host = new();
        host.StartResolved();
        Process helper = Hold(host);
        host.Run("resolvectl dns eth0 192.0.2.54; resolvectl domain eth0 lab.example");
        Assert.StartsWith("systemd-resolved|192.0.2.54|lab.example|", Order(helper, "check"), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_resolved_runs_but_programs_read_other_servers_from_resolv_conf_both_are_set()
    {
        using HostNamespace host = new();
        host.StartResolved();
        host.Run("rm /etc/resolv.conf; printf 'nameserver 192.0.2.54\\n' > /etc/resolv.conf; printf 'hosts: files resolve [!UNAVAIL=return] dns\\n' > /etc/nsswitch.conf");
        string before = host.Run("cat /etc/resolv.conf");
        Process helper = host.Helper("hold", host.Journal, "tel0", "198.18.77.1");
        Assert.StartsWith("systemd-resolved+/etc/resolv.conf|", helper.StandardOutput.ReadLine(), StringComparison.Ordinal);
        Assert.Equal("10.96.0.7", Query(host, "helloworld"));
        Assert.Equal("10.96.0.7", host.Run("dig +search +short helloworld").Trim());
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal(before, host.Run("cat /etc/resolv.conf"));
    }

    [Fact]
    public void A_stub_address_without_resolved_behind_it_is_an_ordinary_server()
    {
        using HostNamespace host = new();
        host.Run("printf 'nameserver 127.0.0.53\\n' > /etc/resolv.conf");
        Process helper = host.Helper("hold", host.Journal, "tel0", "198.18.77.1");
        Assert.StartsWith("/etc/resolv.conf|127.0.0.53||", helper.StandardOutput.ReadLine(), StringComparison.Ordinal);
        Assert.Equal("10.96.0.7", host.Resolve("helloworld"));
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal("nameserver 127.0.0.53\n", host.Run("cat /etc/resolv.conf"));
    }
}
