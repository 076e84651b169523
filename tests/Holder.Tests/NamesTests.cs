using System.Net;

using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Holder.Tests;

public sealed class NamesTests
{
    [Theory]
    [InlineData("hosts: files dns", null)]
    [InlineData("hosts:          files mdns4_minimal [NOTFOUND=return] dns", "hosts: files dns")]
    [InlineData("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "hosts: mymachines files myhostname dns")]
    [InlineData("hosts: files resolve [!UNAVAIL=return SUCCESS=return] mdns4", "hosts: files dns")]
    [InlineData("hosts: files dns [!UNAVAIL=return] wins # resolve", null)]
    public void Services_that_would_answer_for_the_cluster_are_taken_out(string line, string? changed)
    {
        string? text = NamespaceNsswitch.Change($"passwd: files\n{line}\nnetworks: files\n");
        Assert.Equal(changed is null ? null : $"passwd: files\n{changed}\nnetworks: files\n", text);
    }

    [Fact]
    public void The_search_list_and_options_are_the_pods() =>
        Assert.Equal(
            "nameserver 198.18.77.1\nsearch a.svc.cluster.local svc.cluster.local\noptions ndots:5 single-request\n",
            NamespaceNames.Text([IPAddress.Parse("198.18.77.1")], ["a.svc.cluster.local", "svc.cluster.local"], ["ndots:5", "single-request"]));

    [Fact]
    public void Our_own_address_is_in_no_network_that_the_cluster_has()
    {
        Assert.Equal("198.18.77.1", NamespaceOwner.ChooseAddresses([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("0.0.0.0/0")], ipv6: false)[0].ToString());
        Assert.Equal("100.127.77.1", NamespaceOwner.ChooseAddresses([IPNetwork.Parse("198.18.0.0/15")], ipv6: true)[0].ToString());
    }
}
