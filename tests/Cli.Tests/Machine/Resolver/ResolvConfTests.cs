using System.Diagnostics;

namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>resolv.conf in the shapes in which machines have it, with the real C library asking through it.</summary>
public sealed class ResolvConfTests
{
    private const string Original = "nameserver 192.0.2.53\nsearch corp.example\n";

    private static string Hold(HostNamespace host, out Process helper)
    {
        helper = host.Helper("hold", host.Journal, "tel0", "198.18.77.1");
        return Line(helper);
    }

    private static string Line(Process helper) => helper.StandardOutput.ReadLine() ?? throw new IOException(helper.StandardError.ReadToEnd());

    private static string Order(Process helper, string command)
    {
        helper.StandardInput.WriteLine(command);
        return Line(helper);
    }

    private static void KillAndUndo(HostNamespace host, Process helper)
    {
        helper.Kill();
        helper.WaitForExit();
        Process next = host.Helper("undo", host.Journal);
        Assert.Equal("undone", Line(next));
    }

    private static void ExpectConnected(HostNamespace host)
    {
        Assert.Equal("10.96.0.7", host.Resolve("helloworld"));
        Assert.Equal("10.96.0.7", host.Resolve("helloworld.default"));
        Assert.Equal("10.96.0.7", host.Resolve("helloworld.default.svc.cluster.local"));
        Assert.Equal("10.96.0.7", host.Resolve("helloworld.default.svc"));
    }

    private static void ExpectDisconnected(HostNamespace host)
    {
        Assert.Equal("", host.Resolve("helloworld.default.svc.cluster.local"));
        Assert.Equal("192.0.2.80", host.Resolve("www.example.com"));
        Assert.Equal("192.0.2.81", host.Resolve("intranet"));
    }

    [Theory]
    [InlineData("true")]
    [InlineData("mkdir -p /run/nm && mv /etc/resolv.conf /run/nm/resolv.conf && ln -s ../run/nm/resolv.conf /etc/resolv.conf")]
    [InlineData("mkdir -p /run/c && cp /etc/resolv.conf /run/c/resolv.conf && : > /etc/resolv.conf && mount --bind /run/c/resolv.conf /etc/resolv.conf")]
    [InlineData("mkdir -p /run/c && cp /etc/resolv.conf /run/c/resolv.conf && mount --bind /run/c/resolv.conf /etc/resolv.conf && mount -o remount,bind,ro /etc/resolv.conf")]
    [InlineData("mount --bind /etc /etc && mount -o remount,bind,ro /etc")]
    public void Works_and_is_restored_whatever_shape_resolv_conf_has(string shape)
    {
        using HostNamespace host = new();
        host.Run(shape);
        string before = host.Run("cat /etc/resolv.conf; stat -c '%F %a %U %N' /etc/resolv.conf; grep -c resolv /proc/self/mountinfo || true");
        ExpectDisconnected(host);

        string setup = Hold(host, out Process helper);
        Assert.StartsWith("/etc/resolv.conf|192.0.2.53|corp.example|", setup, StringComparison.Ordinal);
        ExpectConnected(host);
        Assert.Equal("unchanged", Order(helper, "check"));
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal(before, host.Run("cat /etc/resolv.conf; stat -c '%F %a %U %N' /etc/resolv.conf; grep -c resolv /proc/self/mountinfo || true"));
        ExpectDisconnected(host);

        // And the same after kill -9, by another process.
        Hold(host, out Process killed);
        ExpectConnected(host);
        KillAndUndo(host, killed);
        Assert.Equal(before, host.Run("cat /etc/resolv.conf; stat -c '%F %a %U %N' /etc/resolv.conf; grep -c resolv /proc/self/mountinfo || true"));
        ExpectDisconnected(host);
    }

    [Fact]
    public void The_machine_keeps_its_names_when_our_server_is_gone()
    {
        using HostNamespace host = new();
        Hold(host, out _);
        host.Run("kill $(cat /run/telepresence-test/cluster.pid); ip link delete tel0; ip route add unreachable 198.18.77.1");
        Assert.Equal("192.0.2.80", host.Resolve("www.example.com"));
    }

    [Fact]
    public void A_vpn_client_that_rewrites_the_file_is_noticed_and_its_text_kept()
    {
        using HostNamespace host = new();
        Hold(host, out Process helper);
        const string vpn = "# by the VPN\nnameserver 192.0.2.54\nsearch vpn.example\n";
        host.Run($"printf '{vpn.Replace("\n", "\\n", StringComparison.Ordinal)}' > /etc/new && mv /etc/new /etc/resolv.conf");
        Assert.StartsWith("/etc/resolv.conf|192.0.2.54|vpn.example|", Order(helper, "check"), StringComparison.Ordinal);
        ExpectConnected(host);
        Assert.Equal("unchanged", Order(helper, "check"));
        Assert.Equal("undone", Order(helper, "undo"));
        Assert.Equal(vpn, host.Run("cat /etc/resolv.conf"));
    }

    [Fact]
    public void Undo_never_overwrites_what_somebody_else_wrote_since()
    {
        using HostNamespace host = new();
        Hold(host, out Process helper);
        host.Run("printf 'nameserver 192.0.2.54\\n' > /etc/resolv.conf");
        KillAndUndo(host, helper);
        Assert.Equal("nameserver 192.0.2.54\n", host.Run("cat /etc/resolv.conf"));
    }

    [Fact]
    public void Undo_takes_out_only_our_part_when_somebody_has_added_to_it()
    {
        using HostNamespace host = new();
        Hold(host, out Process helper);
        host.Run("printf 'nameserver 192.0.2.54\\n' >> /etc/resolv.conf");
        KillAndUndo(host, helper);
        Assert.Equal(Original + "nameserver 192.0.2.54\n", host.Run("cat /etc/resolv.conf"));
    }

    [Fact]
    public void A_missing_file_is_made_and_removed()
    {
        using HostNamespace host = new();
        host.Run("rm /etc/resolv.conf");
        Assert.StartsWith("/etc/resolv.conf|||", Hold(host, out Process helper), StringComparison.Ordinal);
        ExpectConnected(host);
        Assert.Equal("644", host.Run("stat -c %a /etc/resolv.conf").Trim());
        KillAndUndo(host, helper);
        host.Run("test ! -e /etc/resolv.conf");
    }

    [Fact]
    public void A_second_undo_and_an_undo_of_what_was_never_made_do_nothing()
    {
        using HostNamespace host = new();
        Hold(host, out Process helper);
        host.Run($"cp {host.Journal} {host.Journal}.kept");
        KillAndUndo(host, helper);
        host.Run($"cp {host.Journal}.kept {host.Journal}");
        Process again = host.Helper("undo", host.Journal);
        Assert.Equal("undone", Line(again));
        Assert.Equal(Original, host.Run("cat /etc/resolv.conf"));
    }

    [Fact]
    public void Multicast_dns_in_nsswitch_conf_is_put_behind_dns_and_back()
    {
        using HostNamespace host = new();
        const string hosts = "hosts: files mdns4_minimal [NOTFOUND=return] dns\n";
        host.Run($"printf '{hosts.Trim()}\\n' > /etc/nsswitch.conf");
        string setup = Hold(host, out Process helper);
        Assert.Contains("Multicast DNS claims names", setup, StringComparison.Ordinal);
        Assert.Contains("\nhosts: files dns mdns4_minimal", host.Run("cat /etc/nsswitch.conf"), StringComparison.Ordinal);
        ExpectConnected(host);
        KillAndUndo(host, helper);
        Assert.Equal(hosts, host.Run("cat /etc/nsswitch.conf"));
    }

    [Fact]
    public void A_link_into_nowhere_is_one_clear_sentence()
    {
        using HostNamespace host = new();
        host.Run("rm /etc/resolv.conf; ln -s /nowhere/at/all/resolv.conf /etc/resolv.conf");
        Process helper = host.Helper("hold", host.Journal, "tel0", "198.18.77.1");
        Assert.Null(helper.StandardOutput.ReadLine());
        Assert.Contains("/etc/resolv.conf is a link into a directory that does not exist", helper.StandardError.ReadToEnd(), StringComparison.Ordinal);
    }
}
