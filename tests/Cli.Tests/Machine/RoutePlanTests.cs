using System.Net;

using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

public sealed class RoutePlanTests
{
    private static readonly MachineRoute Default = new(IPNetwork.Parse("0.0.0.0/0"), "eth0", IPAddress.Parse("192.168.1.1"));

    [Fact]
    public void A_network_that_the_machine_does_not_know_goes_into_the_tunnel()
    {
        RoutePlan plan = Plan(found: ["10.96.0.0/12"], machine: [Default]);
        Assert.Equal([IPNetwork.Parse("10.96.0.0/12")], plan.Tunnel);
        Assert.Empty(plan.Skipped);
    }

    [Theory]
    [InlineData("10.96.0.0/12")]
    [InlineData("10.0.0.0/8")]
    public void A_network_that_the_machine_routes_elsewhere_is_reported_and_not_stolen(string own)
    {
        RoutePlan plan = Plan(found: ["10.96.0.0/12"], machine: [Default, Route(own)]);
        Assert.Empty(plan.Tunnel);
        Assert.Contains("--also-proxy 10.96.0.0/12", Assert.Single(plan.Skipped).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_machines_own_network_inside_a_found_one_stays_outside_and_the_rest_goes_in()
    {
        RoutePlan plan = Plan(found: ["10.0.0.0/8"], machine: [Default, Route("10.1.2.0/24")]);
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8")], plan.Tunnel);
        Assert.Equal([IPNetwork.Parse("10.1.2.0/24")], plan.Exceptions);
        Assert.Single(plan.Skipped);
    }

    [Theory]
    [InlineData("10.9.0.5/32")]
    [InlineData("10.9.0.0/16")]
    public void An_address_that_a_name_led_to_stays_outside_when_it_must_and_that_is_no_news(string never)
    {
        RoutePlan plan = Plan(found: ["10.96.0.0/12", "10.9.0.5/32"], never: [never], machine: [Default, Route("10.9.0.5/32")]);
        Assert.Equal([IPNetwork.Parse("10.96.0.0/12")], plan.Tunnel);
        Assert.Empty(plan.Skipped);
    }

    [Fact]
    public void What_the_user_asks_for_wins_over_the_machines_route()
    {
        RoutePlan plan = Plan(found: ["10.96.0.0/12"], asked: ["10.96.0.0/12"], machine: [Default, Route("10.0.0.0/8")]);
        Assert.Equal([IPNetwork.Parse("10.96.0.0/12")], plan.Tunnel);
        Assert.Empty(plan.Skipped);
    }

    [Fact]
    public void The_halves_of_a_default_route_are_no_claim()
    {
        RoutePlan plan = Plan(found: ["10.96.0.0/12"], machine: [Route("0.0.0.0/1"), Route("128.0.0.0/1")]);
        Assert.Single(plan.Tunnel);
    }

    [Fact]
    public void With_everything_in_the_tunnel_the_machines_networks_stay_and_are_no_news()
    {
        RoutePlan plan = Plan(asked: ["0.0.0.0/0"], never: ["203.0.113.5/32"], machine: [Default, Route("192.168.1.0/24")]);
        Assert.Equal([IPNetwork.Parse("0.0.0.0/0")], plan.Tunnel);
        Assert.Equal(["192.168.1.0/24", "203.0.113.5/32"], plan.Exceptions.Select(static network => network.ToString()).Order());
        Assert.Empty(plan.Skipped);
    }

    [Fact]
    public void An_exception_outside_every_tunnel_network_needs_no_route() =>
        Assert.Empty(Plan(found: ["10.96.0.0/12"], never: ["203.0.113.5/32", "2001:db8::1/128"], machine: [Default]).Exceptions);

    [Fact]
    public void The_same_prefix_asked_for_and_excepted_stays_outside() =>
        Assert.Empty(Plan(asked: ["10.5.0.0/16"], never: ["10.5.0.0/16"], machine: [Default]).Tunnel);

    private static MachineRoute Route(string prefix) => new(IPNetwork.Parse(prefix), "eth1", null);

    private static RoutePlan Plan(string[]? found = null, string[]? asked = null, string[]? never = null, MachineRoute[]? machine = null) =>
        RoutePlan.Make(Parse(found), Parse(asked), Parse(never), machine ?? []);

    private static IEnumerable<IPNetwork> Parse(string[]? prefixes) => (prefixes ?? []).Select(static prefix => IPNetwork.Parse(prefix));
}
