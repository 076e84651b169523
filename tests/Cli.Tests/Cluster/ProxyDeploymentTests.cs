using System.Text.Json;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class ProxyDeploymentTests
{
    internal static ProxyDeployment Sample() => new()
    {
        Name = "telepresence-0123456789",
        Namespace = "web",
        Image = "telepresence/telepresence-k8s:1.0.0",
        KeyHash = ProxyDeployment.HashOf(new byte[32]),
        Owner = "jane@laptop",
        Since = DateTimeOffset.UnixEpoch,
    };

    // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    [Fact]
    public void Its_pod_passes_pod_security_restricted()
    {
        JsonElement pod = PodSpecOf(Sample());
        JsonElement container = Assert.Single(pod.GetProperty("containers").EnumerateArray());

        Assert.True(pod.GetProperty("securityContext").GetProperty("runAsNonRoot").GetBoolean());
        Assert.NotEqual(0, pod.GetProperty("securityContext").GetProperty("runAsUser").GetInt64());
        Assert.Equal("RuntimeDefault", pod.GetProperty("securityContext").GetProperty("seccompProfile").GetProperty("type").GetString());
        Assert.False(container.GetProperty("securityContext").GetProperty("allowPrivilegeEscalation").GetBoolean());
        Assert.True(container.GetProperty("securityContext").GetProperty("readOnlyRootFilesystem").GetBoolean());
        Assert.Equal(["ALL"], container.GetProperty("securityContext").GetProperty("capabilities").GetProperty("drop").EnumerateArray().Select(static drop => drop.GetString()));
        Assert.False(pod.TryGetProperty("hostNetwork", out _));
        Assert.False(pod.TryGetProperty("volumes", out _));
        string[] safe = ["kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range"];
        Assert.All(pod.GetProperty("securityContext").GetProperty("sysctls").EnumerateArray(), sysctl => Assert.Contains(sysctl.GetProperty("name").GetString(), safe));
    }

    [Fact]
    public void It_asks_for_no_token_and_names_resources_limits_and_owner()
    {
        JsonElement deployment = JsonOf(Sample());
        JsonElement resources = PodSpecOf(Sample()).GetProperty("containers")[0].GetProperty("resources");

        Assert.False(PodSpecOf(Sample()).GetProperty("automountServiceAccountToken").GetBoolean());
        Assert.Equal("64Mi", resources.GetProperty("requests").GetProperty("memory").GetString());
        Assert.Equal("256Mi", resources.GetProperty("limits").GetProperty("memory").GetString());
        Assert.Equal("jane@laptop", deployment.GetProperty("metadata").GetProperty("annotations").GetProperty("telepresence.io/owner").GetString());
        Assert.Equal("1970-01-01T00:00:00Z", deployment.GetProperty("metadata").GetProperty("annotations").GetProperty("telepresence.io/connected-at").GetString());
    }

    [Fact]
    public void It_holds_the_hash_of_the_key_and_not_the_key()
    {
        byte[] key = [.. Enumerable.Range(1, 32).Select(static i => (byte)i)];
        string json = JsonOf(Sample() with { KeyHash = ProxyDeployment.HashOf(key) }).GetRawText();

        Assert.Contains("ae216c2ef5247a3782c135efa279a3e4cdc61094270f5d2be58c6204b7a612c9", json, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(key), json, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(key), json, StringComparison.Ordinal);
    }

    [Fact]
    public void It_does_without_sysctls_where_they_are_forbidden() =>
        Assert.False(PodSpecOf(Sample() with { WithSysctls = false }).GetProperty("securityContext").TryGetProperty("sysctls", out _));

    [Theory]
    [InlineData(null, null, null, "telepresence/telepresence-k8s:1.0.0")]
    [InlineData("registry.example.com/tools/", null, null, "registry.example.com/tools/telepresence-k8s:1.0.0")]
    [InlineData("registry.example.com", "2.0.0", null, "registry.example.com/telepresence-k8s:2.0.0")]
    [InlineData("registry.example.com", "2.0.0", "mine:1", "mine:1")]
    public void The_environment_chooses_the_image(string? registry, string? version, string? image, string expected)
    {
        Dictionary<string, string> environment = [];
        foreach ((string name, string? value) in (ReadOnlySpan<(string, string?)>)[("TELEPRESENCE_REGISTRY", registry), ("TELEPRESENCE_VERSION", version), ("TELEPRESENCE_IMAGE", image)])
        {
            if (value is not null)
                environment[name] = value;
        }

        Assert.Equal(expected, ProxyDeployment.DefaultImage(environment));
    }

    [Fact]
    public void No_two_connections_share_a_name() => Assert.NotEqual(ProxyDeployment.NewName(), ProxyDeployment.NewName());

    private static JsonElement JsonOf(ProxyDeployment deployment) => JsonSerializer.SerializeToElement(deployment.ToObject(), KubeJson.Default.Deployment);

    private static JsonElement PodSpecOf(ProxyDeployment deployment) => JsonOf(deployment).GetProperty("spec").GetProperty("template").GetProperty("spec");
}
