using System.Text.Json;

using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class PodDiagnosisTests
{
    [Fact]
    public void Without_a_pod_the_cluster_is_waited_for()
    {
        PodDiagnosis diagnosis = PodDiagnosis.Examine(null, []);

        Assert.Equal(PodProgress.Waiting, diagnosis.Progress);
    }

    [Fact]
    public void A_quota_is_waited_for_and_named()
    {
        PodDiagnosis diagnosis = PodDiagnosis.Examine(Refused("pods \"t-x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5"), []);

        Assert.Equal(PodProgress.Blocked, diagnosis.Progress);
        Assert.Equal(ExitCode.Quota, diagnosis.ExitCode);
        Assert.Contains("exceeded quota: small", diagnosis.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Pod_security_that_refuses_the_pod_is_final()
    {
        PodDiagnosis diagnosis = PodDiagnosis.Examine(Refused("pods \"t-x\" is forbidden: violates PodSecurity \"restricted:latest\": seLinuxOptions"), []);

        Assert.Equal((PodProgress.Failed, ExitCode.PodRefused, false), (diagnosis.Progress, diagnosis.ExitCode, diagnosis.SysctlsForbidden));
    }

    [Theory]
    [InlineData("""{"phase":"Failed","reason":"SysctlForbidden","message":"forbidden sysctl: \"net.ipv4.ping_group_range\" not allowlisted"}""")]
    [InlineData("""{"phase":"Failed","reason":"PodSecurityPolicy","message":"Unsafe Sysctl: no"}""")]
    public void A_node_that_forbids_sysctls_is_told_apart(string status) =>
        Assert.True(PodDiagnosis.Examine(null, [PodWith(status)]).SysctlsForbidden);

    [Fact]
    public void A_pod_that_fits_no_node_is_waited_for_with_the_scheduler_s_words()
    {
        PodDiagnosis diagnosis = PodDiagnosis.Examine(null, [PodWith("""{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/3 nodes are available: 3 Insufficient cpu."}]}""")]);

        Assert.Equal((PodProgress.Blocked, ExitCode.Unschedulable), (diagnosis.Progress, diagnosis.ExitCode));
        Assert.EndsWith("3 Insufficient cpu", diagnosis.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ContainerCreating", PodProgress.Waiting, ExitCode.Success)]
    [InlineData("ErrImagePull", PodProgress.Waiting, ExitCode.Success)]
    [InlineData("ImagePullBackOff", PodProgress.Failed, ExitCode.ImagePull)]
    [InlineData("InvalidImageName", PodProgress.Failed, ExitCode.ImagePull)]
    [InlineData("CreateContainerConfigError", PodProgress.Failed, ExitCode.PodRefused)]
    [InlineData("CrashLoopBackOff", PodProgress.Failed, ExitCode.ProxyEnded)]
    public void A_waiting_container_says_whether_waiting_helps(string reason, object progress, int exitCode)
    {
        PodDiagnosis diagnosis = PodDiagnosis.Examine(null, [PodWith(Container($$"""{"waiting":{"reason":"{{reason}}","message":"because."} }"""))]);

        Assert.Equal(((PodProgress)progress, exitCode), (diagnosis.Progress, diagnosis.ExitCode));
    }

    [Fact]
    public void A_crash_is_told_with_its_exit_code_and_has_a_log()
    {
        string status = """{"phase":"Running","containerStatuses":[{"name":"telepresence-proxy","restartCount":2,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":139,"reason":"Error"}}}]}""";

        PodDiagnosis diagnosis = PodDiagnosis.Examine(null, [PodWith(status)]);

        Assert.EndsWith("ended with exit code 139", diagnosis.Text, StringComparison.Ordinal);
        Assert.Equal(ProxyDeployment.ContainerName, diagnosis.LogOf);
    }

    [Fact]
    public void A_running_container_of_a_pod_that_is_not_being_deleted_is_the_one()
    {
        Pod going = PodWith(Container("""{"running":{}}"""), "old") with { Metadata = new ObjectMeta { Name = "old", DeletionTimestamp = DateTimeOffset.UnixEpoch } };
        Pod coming = PodWith(Container("""{"running":{}}"""), "new");

        PodDiagnosis diagnosis = PodDiagnosis.Examine(null, [going, coming]);

        Assert.Equal(PodProgress.Running, diagnosis.Progress);
        Assert.Equal("new", diagnosis.Pod!.Metadata.Name);
    }

    [Fact]
    public void Another_container_beside_the_proxy_does_not_count()
    {
        string status = """{"phase":"Pending","containerStatuses":[{"name":"injected-sidecar","state":{"running":{}}},{"name":"telepresence-proxy","state":{"waiting":{"reason":"PodInitializing"}}}]}""";

        Assert.Equal(PodProgress.Waiting, PodDiagnosis.Examine(null, [PodWith(status)]).Progress);
    }

    internal static string Container(string state) => $$"""{"phase":"Running","containerStatuses":[{"name":"telepresence-proxy","state":{{state}} }]}""";

    internal static Pod PodWith(string status, string name = "t-x") =>
        new() { Metadata = new ObjectMeta { Name = name }, Status = JsonSerializer.Deserialize<PodStatus>(status, KubeJson.Default.Options) };

    private static Deployment Refused(string message) =>
        ProxyDeploymentTests.Sample().ToObject() with { Status = new DeploymentStatus([new Condition("ReplicaFailure", "True", "FailedCreate", message)]) };
}
