using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class PodDescriptionTests
{
    private const string Pod = """
        {"metadata":{"name":"web-1"},
         "spec":{"nodeName":"node-7","serviceAccountName":"web",
          "containers":[
           {"name":"side","env":[{"name":"NOT_OURS","value":"x"}]},
           {"name":"app",
            "ports":[{"name":"http","containerPort":8080,"protocol":"TCP"},{"containerPort":9000,"protocol":"UDP"}],
            "env":[{"name":"MYENV","value":"hello"},{"name":"PATH","value":"/opt/telepresence"},{"name":"TELEPRESENCE_KEY_HASH","value":"x"}],
            "volumeMounts":[
             {"name":"config","mountPath":"/etc/config","readOnly":true},
             {"name":"data","mountPath":"/data","subPath":"sub"},
             {"name":"telepresence-restore","mountPath":"/var/run/secrets/telepresence.io/restore","readOnly":true},
             {"name":"kube-api-access-x","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}]}],
          "volumes":[{"name":"config","configMap":{"name":"app"}},{"name":"data","persistentVolumeClaim":{"claimName":"x"}},{"name":"telepresence-restore","projected":{}},{"name":"kube-api-access-x","projected":{"sources":[]}}]},
         "status":{"podIP":"10.1.2.3","podIPs":[{"ip":"10.1.2.3"},{"ip":"fd00::3"}]}}
        """;

    [Fact]
    public void Mounts_ports_node_and_addresses_are_those_of_the_chosen_container()
    {
        PodDescription pod = Describe();

        Assert.Equal(
            [
                new ContainerMount("/etc/config", "config", "configMap", true, null),
                new ContainerMount("/data", "data", "persistentVolumeClaim", false, "sub"),
                new ContainerMount("/var/run/secrets/kubernetes.io/serviceaccount", "kube-api-access-x", "projected", true, null),
            ],
            pod.Mounts);
        Assert.Equal([new ContainerPort(8080, "TCP", "http"), new ContainerPort(9000, "UDP")], pod.Ports);
        Assert.Equal(("web-1", "node-7", "web"), (pod.Pod, pod.Node, pod.ServiceAccount));
        Assert.Equal(["10.1.2.3", "fd00::3"], pod.Addresses);
    }

    [Fact]
    public void The_environment_is_what_is_declared_and_the_services_and_nothing_of_image_or_proxy()
    {
        IReadOnlyDictionary<string, string> environment = ContainerEnvironment.Of(
            Report(
                new() { ["MYENV"] = "hello", ["FROM_A_CONFIG_MAP"] = "a\nb", ["WEB_SERVICE_HOST"] = "10.96.0.7", ["TELEPRESENCE_RESTORE"] = "{}" },
                new() { ["PATH"] = "/opt/telepresence", ["HOME"] = "/home/telepresence" }),
            Describe());

        Assert.Equal(["FROM_A_CONFIG_MAP", "MYENV", "PATH", "WEB_SERVICE_HOST"], environment.Keys);
        Assert.Equal("a\nb", environment["FROM_A_CONFIG_MAP"]);
    }

    private static PodDescription Describe() => PodDescription.Of(JsonNode.Parse(Pod)!.AsObject(), "app");

    private static PodReport Report(Dictionary<string, string> environment, Dictionary<string, string> image) => new()
    {
        Version = "1.0.0",
        PodName = "web-1",
        Hostname = "web-1",
        StartedAt = DateTimeOffset.UnixEpoch,
        Addresses = [],
        Routes = [],
        ResolvConf = "",
        NameServers = [],
        Environment = environment,
        ImageEnvironment = image,
        MayPing = true,
        LowestPort = 1,
        ServesFiles = true,
    };
}
