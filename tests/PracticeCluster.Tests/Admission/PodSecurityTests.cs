using Telepresence.PracticeCluster.Admission;

namespace Telepresence.PracticeCluster.Tests.Admission;

public sealed class PodSecurityTests
{
    private const string Safe = "'securityContext':{'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL']}}";

    [Fact]
    public void A_bare_container_violates_restricted_in_the_known_words() => Assert.Equal(
        "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), "
        + "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), "
        + "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), "
        + "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
        Check("restricted", "{'containers':[{'name':'c'}]}"));

    [Fact]
    public void A_careful_pod_passes_restricted() => Assert.Null(Check("restricted",
        $"{{'securityContext':{{'runAsNonRoot':true,'seccompProfile':{{'type':'RuntimeDefault'}},'sysctls':[{{'name':'net.ipv4.ip_unprivileged_port_start','value':'0'}}]}},'containers':[{{'name':'c',{Safe}}}],'volumes':[{{'name':'v','emptyDir':{{}}}}]}}"));

    [Theory]
    [InlineData("{'hostNetwork':true,'containers':[]}", "host namespaces (hostNetwork=true)")]
    [InlineData("{'containers':[{'name':'c','securityContext':{'privileged':true}}]}", "privileged (container \"c\" must not set securityContext.privileged=true)")]
    [InlineData("{'containers':[{'name':'c','securityContext':{'capabilities':{'add':['NET_ADMIN']}}}]}", "non-default capabilities (container \"c\" must not include \"NET_ADMIN\" in securityContext.capabilities.add)")]
    [InlineData("{'containers':[],'volumes':[{'name':'h','hostPath':{'path':'/'}}]}", "hostPath volumes (volume \"h\")")]
    [InlineData("{'containers':[],'securityContext':{'sysctls':[{'name':'kernel.msgmax'}]}}", "forbidden sysctls (kernel.msgmax)")]
    public void Baseline_names_what_it_forbids(string spec, string violation) =>
        Assert.Equal($"violates PodSecurity \"baseline:latest\": {violation}", Check("baseline", spec));

    [Fact]
    public void Baseline_lets_a_bare_container_pass_and_privileged_everything()
    {
        Assert.Null(Check("baseline", "{'containers':[{'name':'c'}]}"));
        Assert.Null(Check("privileged", "{'hostNetwork':true}"));
    }

    [Fact]
    public void Levels_come_from_the_namespaces_labels()
    {
        var home = Given.Object("{'metadata':{'labels':{'pod-security.kubernetes.io/enforce':'restricted','pod-security.kubernetes.io/enforce-version':'v1.30'}}}");
        Assert.Equal(("restricted", "v1.30"), PodSecurity.LevelOf(home, "enforce"));
        Assert.Equal(("privileged", "latest"), PodSecurity.LevelOf(home, "warn"));
    }

    private static string? Check(string level, string spec) => PodSecurity.Violation(level, "latest", Given.Object(spec));
}
