using System.Diagnostics;

using Telepresence.Cli.Tests.Machine.Resolver;

namespace Telepresence.Cli.Tests.Machine;

/// <summary>Interface, routes and rules on a real kernel, in namespaces of their own.</summary>
public sealed class MachineNetworkTests : IDisposable
{
    // The kernel gives interfaces their link-local addresses when it gets to it, and what belongs to them.
    private const string State = "ip -br link; ip -br address | sed 's, *fe80:[^ ]*,,'; ip -4 route show table all; ip -6 route show table all | grep -v fe80: ; ip rule; ip -6 rule";

    private readonly HostNamespace _host = new();

    public void Dispose() => _host.Dispose();

    [Fact]
    public void Everything_is_as_before_when_it_is_undone()
    {
        string before = Settled();
        Process helper = Configure(out string made);
        Assert.Equal("tel1 198.19.77.1 fd7e:1e9e:5e4c::1", made);
        Assert.Contains("dev tel1", _host.Run("ip route get 10.96.1.1"), StringComparison.Ordinal);
        Assert.Contains("dev eth0", _host.Run("ip route get 10.96.0.7"), StringComparison.Ordinal);
        Assert.Equal("", Order(helper, "undo"));
        Becomes(before);
    }

    [Fact]
    public void Routes_and_rules_that_somebody_removes_are_put_back()
    {
        Process helper = Configure(out _);
        _host.WaitFor("ip -6 route show table local | grep 'fd7e:1e9e:5e4c::1 dev tel1'");
        string before = Settled();
        _host.Run("ip route flush table 7700; ip -6 route flush table 7700; ip rule delete pref 5500; ip -6 rule delete pref 5500");
        Order(helper, "update");
        Becomes(before);
        _host.Run("ip route delete throw 10.96.0.7 table 7700");
        Order(helper, "update");
        Becomes(before);
    }

    [Theory]
    [InlineData("all")]
    [InlineData("default")]
    public void A_machine_without_IPv6_gets_IPv4_alone(string which)
    {
        _host.Run($"echo 1 > /proc/sys/net/ipv6/conf/{which}/disable_ipv6");
        Process helper = Configure(out string made);
        Assert.Equal("tel1 198.19.77.1", made);
        Assert.Equal("", Order(helper, "undo"));
    }

    [Fact]
    public void A_rule_that_was_left_behind_does_not_stand_in_the_way()
    {
        string before = Settled();
        _host.Run("ip rule add pref 5500 lookup 7700");
        Process helper = Configure(out _);
        Assert.Equal("", Order(helper, "undo"));
        Becomes(before);
    }

    [Theory]
    [InlineData("198.18.77.9/32", true)]
    [InlineData("198.18.77.1/32", false)]
    public void An_interface_that_has_only_the_name_of_ours_is_not_removed(string noted, bool stays)
    {
        File.WriteAllText(_host.Journal, $$$"""{"id":1,"change":{"kind":"link","name":"tel0","mtu":1500,"addresses":["{{{noted}}}"]}}""" + "\n");
        Assert.Equal("undone", _host.Helper("undo", _host.Journal).StandardOutput.ReadLine());
        Assert.Equal(stays, _host.Try("ip link show dev tel0").Code == 0);
    }

    // When both ends of both pairs of interfaces have their link-local addresses, and no address is still being looked for elsewhere.
    private string Settled()
    {
        _host.WaitFor("[ $(ip -6 -oneline address show scope link -tentative | wc -l) = 4 ] && [ -z \"$(ip -6 address show tentative)\" ]");
        return _host.Run(State);
    }

    private void Becomes(string state)
    {
        string now = "";
        SpinWait.SpinUntil(() => (now = _host.Run(State)) == state, TimeSpan.FromSeconds(60));
        Assert.Equal(state, now);
    }

    private Process Configure(out string made)
    {
        Process helper = _host.Verb("network", _host.Journal);
        made = Line(helper);
        return helper;
    }

    private static string Order(Process helper, string command)
    {
        helper.StandardInput.WriteLine(command);
        return Line(helper);
    }

    private static string Line(Process helper) => helper.StandardOutput.ReadLine() ?? throw new IOException(helper.StandardError.ReadToEnd());
}
