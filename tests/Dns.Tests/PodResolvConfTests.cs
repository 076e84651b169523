using System.Net;

namespace Telepresence.Dns.Tests;

public sealed class PodResolvConfTests
{
    [Fact]
    public void Reads_what_kubelet_writes()
    {
        var conf = PodResolvConf.Parse("search ns.svc.cluster.local svc.cluster.local cluster.local c.project.internal\nnameserver 10.96.0.10\noptions ndots:5\n");
        Assert.Equal([IPAddress.Parse("10.96.0.10")], conf.NameServers);
        Assert.Equal(["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "c.project.internal"], conf.Search);
        Assert.Equal(5, conf.Ndots);
        Assert.Equal("cluster.local", conf.ClusterDomain);
    }

    [Fact]
    public void Comments_begin_with_a_semicolon_too()
    {
        var conf = PodResolvConf.Parse("; nameserver 1.1.1.1\n#nameserver 2.2.2.2\nnameserver 3.3.3.3 ; home\nsearch a.b # c.d\r\n");
        Assert.Equal([IPAddress.Parse("3.3.3.3")], conf.NameServers);
        Assert.Equal(["a.b"], conf.Search);
    }

    [Fact]
    public void The_clusters_domain_follows_svc_in_the_search_list()
    {
        Assert.Equal("k8s.corp", PodResolvConf.Parse("search a.svc.k8s.corp svc.k8s.corp k8s.corp").ClusterDomain);
        Assert.Equal("cluster.local", PodResolvConf.Parse("nameserver 1.1.1.1").ClusterDomain);
    }

    [Fact]
    public void The_last_search_or_domain_line_wins()
    {
        Assert.Equal(["two"], PodResolvConf.Parse("search one\ndomain two.\n").Search);
    }

    [Fact]
    public void Nonsense_is_passed_over()
    {
        var conf = PodResolvConf.Parse("nameserver\nnameserver nowhere\noptions ndots:x ndots:99\n\0\nsearch\n");
        Assert.Empty(conf.NameServers);
        Assert.Equal(15, conf.Ndots);
    }
}
