using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class StandInTests
{
    [Fact]
    public void Everything_that_the_pod_is_made_of_is_copied_also_what_this_program_does_not_know()
    {
        JsonObject original = Original()["spec"]!["template"]!["spec"]!.AsObject();
        JsonObject copy = PodOf(Make());

        foreach (string field in (string[])["serviceAccountName", "automountServiceAccountToken", "imagePullSecrets", "initContainers", "somethingNew"])
            Same(original[field], copy[field]);
        Same(JsonNode.Parse("""{"disk":"ssd","kubernetes.io/arch":"amd64"}"""), copy["nodeSelector"]);
        Same(original["containers"]![1], copy["containers"]![1]);
        foreach (string field in (string[])["ports", "envFrom", "resources"])
            Same(original["containers"]![0]![field], copy["containers"]![0]![field]);
        Assert.All(original["containers"]![0]!["env"]!.AsArray(), variable => Assert.Contains(copy["containers"]![0]!["env"]!.AsArray(), present => JsonNode.DeepEquals(variable, present)));
        Assert.All(original["containers"]![0]!["volumeMounts"]!.AsArray(), mount => Assert.Contains(copy["containers"]![0]!["volumeMounts"]!.AsArray(), present => JsonNode.DeepEquals(mount, present)));
        Assert.All(original["volumes"]!.AsArray(), volume => Assert.Contains(copy["volumes"]!.AsArray(), present => JsonNode.DeepEquals(volume, present)));
    }

    [Fact]
    public void What_belongs_to_the_replaced_program_is_not_copied()
    {
        JsonObject container = ContainerOf(Make());

        Assert.Equal(Samples.Image, (string?)container["image"]);
        foreach (string field in (string[])["command", "args", "workingDir", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "stdin", "tty"])
            Assert.False(container.ContainsKey(field), field);
    }

    [Fact]
    public void Services_find_its_pod_and_no_controller_takes_it_for_its_own()
    {
        JsonObject copy = Make();
        JsonObject template = copy["spec"]!["template"]!.AsObject();

        Assert.Equal(("web", "front", "abc"), ((string?)template["metadata"]!["labels"]!["app"], (string?)template["metadata"]!["labels"]!["tier"], (string?)template["metadata"]!["labels"]![ProxyDeployment.SessionLabel]));
        Assert.Equal("true", (string?)template["metadata"]!["annotations"]!["sidecar.istio.io/inject"]);
        Same(JsonNode.Parse("""{"matchLabels":{"telepresence.io/session":"abc"}}"""), copy["spec"]!["selector"]);
        Assert.Null(copy["metadata"]!["labels"]!["app.kubernetes.io/instance"]);
        Assert.Null(copy["metadata"]!["annotations"]!["note"]);
        Assert.Equal((1, "Recreate"), ((int)copy["spec"]!["replicas"]!, (string?)copy["spec"]!["strategy"]!["type"]));
        Assert.True((int)PodOf(copy)["terminationGracePeriodSeconds"]! <= 10);
    }

    [Fact]
    public void Its_container_is_as_restricted_as_it_can_be_and_keeps_user_and_group()
    {
        JsonObject security = ContainerOf(Make())["securityContext"]!.AsObject();

        Same(
            JsonNode.Parse("""{"runAsUser":1000,"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}"""),
            security);
        Assert.Equal(2000, (int)PodOf(Make())["securityContext"]!["fsGroup"]!);
    }

    [Fact]
    public void One_that_must_be_root_stays_root_without_capabilities()
    {
        JsonObject security = ContainerOf(Make(static original => Container(original)["securityContext"] = new JsonObject { ["runAsUser"] = 0 }))["securityContext"]!.AsObject();

        Assert.Equal((0, false), ((int)security["runAsUser"]!, (bool)security["runAsNonRoot"]!));
        Same(JsonNode.Parse("""{"drop":["ALL"]}"""), security["capabilities"]);
    }

    [Theory]
    [InlineData("""{"secret":{"secretName":"x","defaultMode":256}}""", """{"emptyDir":{}}""", true)]
    [InlineData("""{"secret":{"secretName":"x","defaultMode":420}}""", """{"emptyDir":{}}""", false)]
    [InlineData("""{"secret":{"secretName":"x","defaultMode":256}}""", """{"persistentVolumeClaim":{"claimName":"y"}}""", false)]
    public void Files_for_the_owner_alone_are_made_readable_through_the_group_unless_that_would_touch_what_lasts(string config, string data, bool grouped)
    {
        JsonObject copy = Make(original =>
        {
            Container(original).Remove("securityContext");
            PodOf(original).Remove("securityContext");
            JsonArray volumes = [JsonNode.Parse(config), JsonNode.Parse(data)];
            volumes[0]!["name"] = "config";
            volumes[1]!["name"] = "data";
            PodOf(original)["volumes"] = volumes;
        });

        Assert.Equal(grouped, PodOf(copy)["securityContext"]!["fsGroup"] is not null);
    }

    [Fact]
    public void Where_a_group_is_forbidden_the_copy_does_without()
    {
        JsonObject copy = Make(NewStandIn() with { WithSysctls = false }, static original =>
        {
            Container(original).Remove("securityContext");
            PodOf(original).Remove("securityContext");
            PodOf(original)["volumes"]![0] = JsonNode.Parse("""{"name":"config","secret":{"secretName":"x","defaultMode":256}}""");
        });

        Assert.Null(PodOf(copy)["securityContext"]?["fsGroup"]);
    }

    [Theory]
    [InlineData("""{"nodeSelector":{"kubernetes.io/arch":"arm64"}}""", true)]
    [InlineData("""{"nodeSelector":{"kubernetes.io/arch":"amd64"}}""", false)]
    [InlineData("""{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"In","values":["arm64"]}]}]}}}}""", true)]
    [InlineData("""{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"In","values":["arm64","amd64"]}]}]}}}}""", false)]
    public void It_runs_where_the_proxys_image_does_or_is_refused(string fields, bool refused)
    {
        Exception? error = Record.Exception(() => Make(original =>
        {
            foreach ((string key, JsonNode? value) in JsonNode.Parse(fields)!.AsObject())
                PodOf(original)[key] = value!.DeepClone();
        }));

        Assert.Equal(refused, error is UserError { ExitCode: ExitCode.PodRefused });
    }

    [Fact]
    public void A_memory_limit_too_small_for_the_proxy_is_raised_and_the_program_is_told_the_old_one()
    {
        StandIn standIn = NewStandIn();
        JsonObject copy = Make(standIn, static original => Container(original)["resources"]!["limits"]!["memory"] = "32Mi");

        Assert.Equal("128Mi", (string?)ContainerOf(copy)["resources"]!["limits"]!["memory"]);
        Assert.Equal("32", Variable(copy, "MEM"));
        Assert.Contains("32Mi", Assert.Single(standIn.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void The_proxys_settings_stand_in_its_environment_and_nothing_else_of_ours()
    {
        JsonObject copy = Make();

        Assert.Equal(new string('a', 64), Variable(copy, "TELEPRESENCE_KEY_HASH"));
        JsonNode restore = JsonNode.Parse(Variable(copy, "TELEPRESENCE_RESTORE")!)!;
        Assert.Equal(("web", "web", "web-telepresence-abc", "abc", 75), ((string?)restore["namespace"], (string?)restore["deployment"], (string?)restore["standIn"], (string?)restore["session"], (int)restore["after"]!));
        Assert.Equal((Hold.SessionKey, Hold.ReplicasKey), ((string?)restore["sessionKey"], (string?)restore["replicasKey"]));
        Assert.Equal(4 + 3, ContainerOf(copy)["env"]!.AsArray().Count);
    }

    [Fact]
    public void A_container_that_uses_the_proxys_port_gets_a_proxy_on_another()
    {
        StandIn standIn = NewStandIn();
        JsonObject copy = Make(standIn, static original => Container(original)["ports"]![0]!["containerPort"] = 7700);

        Assert.Equal(7701, standIn.Port);
        Assert.Equal("7701", Variable(copy, "TELEPRESENCE_PORT"));
    }

    [Fact]
    public void A_token_to_restore_with_is_there_although_the_original_wants_none()
    {
        JsonObject copy = Make();

        Assert.Contains(ContainerOf(copy)["volumeMounts"]!.AsArray(), static mount => (string?)mount!["mountPath"] == StandIn.RestoreMountPath);
        Assert.Contains(PodOf(copy)["volumes"]!.AsArray(), static volume => volume!["projected"]?["sources"]?[0]?["serviceAccountToken"] is not null);
    }

    [Fact]
    public void Sysctls_of_the_original_stay_and_the_safe_ones_are_added_unless_forbidden_or_on_the_nodes_network()
    {
        Action<JsonObject> own = static original => PodOf(original)["securityContext"]!["sysctls"] = JsonNode.Parse("""[{"name":"net.ipv4.ip_unprivileged_port_start","value":"80"}]""");

        Assert.Equal(["net.ipv4.ip_unprivileged_port_start=80", "net.ipv4.ping_group_range=0 2147483647"], Sysctls(Make(own)));
        Assert.Equal(["net.ipv4.ip_unprivileged_port_start=80"], Sysctls(Make(NewStandIn() with { WithSysctls = false }, own)));
        Assert.Empty(Sysctls(Make(static original => PodOf(original)["hostNetwork"] = true)));
    }

    [Theory]
    [InlineData("/opt", true)]
    [InlineData("/opt/telepresence/", true)]
    [InlineData("/usr", true)]
    [InlineData("/opt/app", false)]
    [InlineData("/etc/ssl", false)]
    public void A_volume_that_would_hide_the_proxy_itself_is_refused(string path, bool refused)
    {
        Exception? error = Record.Exception(() => Make(original => Container(original)["volumeMounts"]![0]!["mountPath"] = path));

        Assert.Equal(refused, error is UserError { ExitCode: ExitCode.PodRefused });
    }

    [Theory]
    [InlineData("strategy", """{"type":"Recreate"}""", true)]
    [InlineData("strategy", """{"type":"RollingUpdate"}""", false)]
    [InlineData("volumes", """[{"name":"config","persistentVolumeClaim":{"claimName":"x"}}]""", true)]
    [InlineData("hostNetwork", "true", true)]
    public void Some_cannot_run_beside_their_original(string field, string value, bool cannot)
    {
        JsonObject original = Original();
        (field == "strategy" ? original["spec"]!.AsObject() : PodOf(original))[field] = JsonNode.Parse(value);

        Assert.Equal(cannot, StandIn.CannotCoexist(new DeploymentView(original)));
    }

    [Fact]
    public void Its_name_says_what_it_stands_in_for_and_is_never_too_long()
    {
        Assert.Equal("web-telepresence-01234", StandIn.NameFor("web", "0123456789"));
        Assert.True(StandIn.NameFor(new string('a', 250), "0123456789").Length <= 58);
    }

    private static StandIn NewStandIn() => new()
    {
        Name = "web-telepresence-abc",
        Session = "abc",
        PodSession = "abc",
        Container = "app",
        Image = Samples.Image,
        KeyHash = new string('a', 64),
        Hold = new Hold("abc", "jane@laptop", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch),
        RestoreAfter = TimeSpan.FromSeconds(75),
    };

    private static JsonObject Original() => JsonNode.Parse(Samples.Web)!.AsObject();

    private static JsonObject Make(Action<JsonObject>? change = null) => Make(NewStandIn(), change);

    private static JsonObject Make(StandIn standIn, Action<JsonObject>? change)
    {
        JsonObject original = Original();
        change?.Invoke(original);
        string before = original.ToJsonString();
        original = JsonNode.Parse(before)!.AsObject();
        JsonObject copy = standIn.ToObject(new DeploymentView(original));
        Assert.Equal(before, original.ToJsonString());
        return JsonNode.Parse(copy.ToJsonString())!.AsObject();
    }

    private static JsonObject PodOf(JsonObject deployment) => deployment["spec"]!["template"]!["spec"]!.AsObject();

    private static JsonObject Container(JsonObject deployment) => PodOf(deployment)["containers"]![0]!.AsObject();

    private static JsonObject ContainerOf(JsonObject deployment) => Container(deployment);

    private static string? Variable(JsonObject deployment, string name) =>
        (string?)ContainerOf(deployment)["env"]!.AsArray().Single(variable => (string?)variable!["name"] == name)!["value"];

    private static IEnumerable<string> Sysctls(JsonObject deployment) =>
        (PodOf(deployment)["securityContext"]!["sysctls"] as JsonArray ?? []).Select(static sysctl => $"{sysctl!["name"]}={sysctl["value"]}");

    private static void Same(JsonNode? expected, JsonNode? actual) =>
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected?.ToJsonString()}\nbut got  {actual?.ToJsonString()}");
}
