using Telepresence.Cli.Commands;

namespace Telepresence.Cli.Tests.Commands;

public sealed class TargetOptionTests
{
    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("10.1.2.3/16", "10.1.0.0/16")]
    [InlineData("10.1.2.3", "10.1.2.3/32")]
    [InlineData("fd00:1::/64", "fd00:1::/64")]
    [InlineData("fd00:1::7", "fd00:1::7/128")]
    public void Networks_and_addresses_become_networks(string value, string network)
    {
        (IReadOnlyList<string> networks, IReadOnlyList<string> hosts) = TargetOption.Read("--also-proxy", [value]);

        Assert.Equal([network], networks);
        Assert.Empty(hosts);
    }

    [Theory]
    [InlineData("db.example.com", "db.example.com")]
    [InlineData("DB.Example.com.", "db.example.com")]
    [InlineData("db", "db")]
    [InlineData("_mongo._tcp.example.com", "_mongo._tcp.example.com")]
    public void Names_stay_names(string value, string host) =>
        Assert.Equal([host], TargetOption.Read("--also-proxy", [value]).Hosts);

    [Theory]
    [InlineData("")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/")]
    [InlineData("10.0/8")]
    [InlineData("/8")]
    [InlineData("fd00::/129")]
    [InlineData("300.1.1.1")]
    [InlineData("10.1")]
    [InlineData("1")]
    [InlineData("fe80::1%eth0")]
    [InlineData("a..b")]
    [InlineData("-a.example.com")]
    [InlineData("white space")]
    [InlineData("db.example.com/8")]
    [InlineData("10.0.0.0/8/8")]
    [InlineData("host;reboot")]
    public void Anything_else_is_a_wrong_argument_that_is_named(string value)
    {
        UserError error = Assert.Throws<UserError>(() => TargetOption.Read("--never-proxy", [value]));

        Assert.Equal(ExitCode.BadArguments, error.ExitCode);
        Assert.StartsWith($"--never-proxy {value}:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_suffix_may_begin_with_a_dot() => Assert.Equal("corp.example.com", TargetOption.ReadSuffix("--dns-suffix", ".corp.example.com"));

    [Fact]
    public void A_suffix_that_is_no_name_is_refused() =>
        Assert.Equal(ExitCode.BadArguments, Assert.Throws<UserError>(() => TargetOption.ReadSuffix("--dns-suffix", "a b")).ExitCode);
}
