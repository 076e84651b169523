namespace Telepresence.EndToEnd.Tree;

/// <summary>The pod's volumes, at their own paths and below $TELEPRESENCE_ROOT.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class VolumeTests(PracticeClusterFixture cluster)
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Each_kind_of_volume_has_the_pod_s_content_at_both_places(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        foreach (string file in (string[])
            ["/podinfo/labels", "/etc/settings/colour", "/etc/settings/multi.txt", "/etc/credentials/FROM_SECRET", "/projected/deep/down/my/colour", $"{ServiceAccount}/ca.crt", $"{ServiceAccount}/namespace"])
        {
            string expected = (await InContainerAsync(way, $"cat {file}")).Good();
            Assert.NotEmpty(expected);
            Assert.Equal(expected, (await inside.RunAsync($"cat {file}")).Good());
            Assert.Equal(expected, (await inside.RunAsync($"cat $TELEPRESENCE_ROOT{file}")).Good());
        }
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_list_of_mounts_is_that_of_the_container(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal(
            ["/etc/credentials", "/etc/settings", "/podinfo", "/projected/deep/down", "/scratch", ServiceAccount],
            (await inside.RunAsync("echo $TELEPRESENCE_MOUNTS")).Good().Split(':').Order(StringComparer.Ordinal));
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_service_account_s_token_gets_its_holder_into_the_API(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Contains("system:serviceaccount:tree:worker", (await inside.RunAsync($"""
            curl -sS --cacert {ServiceAccount}/ca.crt -H "Authorization: Bearer $(cat {ServiceAccount}/token)" https://kubernetes.default.svc/api/v1/namespaces/tree/secrets
            """)).Good(), StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Volumes_are_read_only_unless_asked_and_a_write_fails_at_once(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        foreach (string directory in (string[])["/scratch", "$TELEPRESENCE_ROOT/scratch", "/etc/settings"])
            Assert.NotEqual(0, (await inside.RunAsync($"timeout 20 sh -c 'echo x >{directory}/x' || exit 1")).ExitCode);
        Assert.Empty((await InContainerAsync(way, "ls /scratch")).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_directory_s_listing_and_sizes_are_the_pod_s(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        const string look = "ls -1A /etc/settings; stat -L -c '%F %s' /etc/settings/multi.txt; ls -R /projected/deep/down/my";
        Assert.Equal((await InContainerAsync(way, look)).Good(), (await inside.RunAsync(look)).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_directories_around_them_keep_what_they_have(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Assert.Equal("laptop", (await inside.RunAsync("cat /etc/hostname")).Good());
        Assert.Equal(way.Person() == Person.Root ? "missing" : "there", (await inside.RunAsync("[ -n \"$XDG_RUNTIME_DIR\" ] && [ -w \"$XDG_RUNTIME_DIR\" ] && echo there || echo missing")).Good());
        Assert.Equal("lock", (await inside.RunAsync("ls -d /run/lock | xargs basename")).Good());
        Assert.NotEqual(0, (await inside.User.RunAsync("ls", "/etc/settings")).ExitCode);
        Assert.NotEqual(0, (await inside.User.RunAsync("ls", "/projected")).ExitCode);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_rotated_ConfigMap_is_seen(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        string fresh = $"rotated for {way}";
        try
        {
            (await cluster.Kubectl("patch", "configmap", "settings", "-n", "tree", "--type=merge", "-p", $"{{\"data\":{{\"colour\":\"{fresh}\"}}}}")).Good();
            await Eventually.GivesAsync("the pod has it", async () => (await InContainerAsync(way, "cat /etc/settings/colour")).Output, output => output == fresh);
            await Eventually.GivesAsync("it is seen here", async () => (await inside.RunAsync("cat /etc/settings/colour $TELEPRESENCE_ROOT/etc/settings/colour /projected/deep/down/my/colour")).Output, output => output == fresh + fresh + fresh);
        }
        finally
        {
            (await cluster.Kubectl("patch", "configmap", "settings", "-n", "tree", "--type=merge", "-p", """{"data":{"colour":"blue"}}""")).Good();
            await Eventually.GivesAsync("the pod has it back", async () => (await InContainerAsync(way, "cat /etc/settings/colour /projected/deep/down/my/colour")).Output, static output => output == "blueblue");
        }
    }

    private Task<CommandResult> InContainerAsync(Way way, string script) => cluster.Kubectl(
        "exec", "--namespace", PracticeClusterFixture.Tree, $"deployment/{PracticeClusterFixture.SharedName(way)}", "--container", "sidecar", "--", "sh", "-c", script);
}
