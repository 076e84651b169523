using System.Net;

using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Wire;

public sealed class NetworkSetTests
{
    private static readonly NetworkSet Some = new([IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("10.1.2.3/32"), IPNetwork.Parse("2001:db8::/33"), IPNetwork.Parse("fd00::1/128")]);

    [Theory]
    [InlineData("192.0.2.0", true)]
    [InlineData("192.0.2.255", true)]
    [InlineData("192.0.3.0", false)]
    [InlineData("10.1.2.3", true)]
    [InlineData("10.1.2.4", false)]
    [InlineData("2001:db8:7fff::1", true)]
    [InlineData("2001:db8:8000::1", false)]
    [InlineData("fd00::1", true)]
    [InlineData("fd00::2", false)]
    public void An_address_is_found_in_its_network(string address, bool found) => Assert.Equal(found, Some.Contains(NetAddress.Parse(address)));

    [Fact]
    public void Everything_of_one_family_is_nothing_of_the_other()
    {
        Assert.True(new NetworkSet([IPNetwork.Parse("0.0.0.0/0")]).Contains(NetAddress.Parse("1.2.3.4")));
        Assert.False(new NetworkSet([IPNetwork.Parse("0.0.0.0/0")]).Contains(NetAddress.Parse("2001:db8::1")));
        Assert.True(new NetworkSet([IPNetwork.Parse("::/0")]).Contains(NetAddress.Parse("2001:db8::1")));
        Assert.False(new NetworkSet([IPNetwork.Parse("::/0")]).Contains(NetAddress.Parse("1.2.3.4")));
        Assert.True(new NetworkSet([]).IsEmpty);
    }
}
