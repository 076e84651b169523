using Telepresence.Cli.Cluster;

namespace Telepresence.Cli.Tests.Cluster;

public sealed class KubeTargetTests
{
    private const string View = """
        {"current-context":"dev","contexts":[{"name":"dev","context":{"cluster":"c","user":"u","namespace":"web"}}],
         "clusters":[{"name":"c","cluster":{"server":"https://api.example.com:6443","certificate-authority-data":"DATA+OMITTED"}}]}
        """;

    [Fact]
    public void Context_namespace_and_server_are_read() =>
        Assert.Equal(new KubeTarget("dev", "web", "https://api.example.com:6443", "/k"), KubeTarget.Parse(View, "/k", null));

    [Fact]
    public void A_namespace_that_was_given_wins() => Assert.Equal("other", KubeTarget.Parse(View, null, "other").Namespace);

    [Fact]
    public void Without_any_namespace_it_is_default() =>
        Assert.Equal("default", KubeTarget.Parse(View.Replace(",\"namespace\":\"web\"", "", StringComparison.Ordinal), null, null).Namespace);

    [Theory]
    [InlineData("""{"current-context":"dev"}""")]
    [InlineData("""{"current-context":"dev","contexts":[{"name":"dev","context":{"cluster":"gone"}}],"clusters":null}""")]
    [InlineData("{}")]
    public void A_context_without_a_server_is_refused(string view) =>
        Assert.Equal(ExitCode.Kubeconfig, Assert.Throws<UserError>(() => KubeTarget.Parse(view, null, null)).ExitCode);

    [Fact]
    public void A_context_that_leads_elsewhere_by_now_is_not_taken_for_the_same_cluster()
    {
        KubeTarget target = KubeTarget.Parse(View, null, null);

        target.CheckLeadsTo("https://api.example.com:6443/");
        Assert.Contains("and not to https://other.example.com", Assert.Throws<IOException>(() => target.CheckLeadsTo("https://other.example.com")).Message, StringComparison.Ordinal);
    }

    // Texts of kubectl 1.32 and 1.36.
    [Theory]
    [InlineData("error: current-context must exist in order to minify\n", ExitCode.Kubeconfig, "--kubeconfig")]
    [InlineData("error: cannot locate context nope\n", ExitCode.ContextUnknown, "no context nope")]
    [InlineData("error: context \"nope\" does not exist\n", ExitCode.ContextUnknown, "get-contexts")]
    [InlineData("error: error loading config file \"/k\": yaml: line 1: did not find expected node content\n", ExitCode.Kubeconfig, "not valid")]
    [InlineData("error: error loading config file \"/k\": open /k: permission denied\n", ExitCode.Kubeconfig, "cannot be read")]
    [InlineData("Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found\n", ExitCode.CredentialPlugin, "gke-gcloud-auth-plugin")]
    [InlineData("something new\n", ExitCode.Kubeconfig, "something new")]
    [InlineData("", ExitCode.Kubeconfig, "printed nothing")]
    public void What_kubectl_says_becomes_a_sentence_and_a_code(string error, int exitCode, string part)
    {
        UserError explained = KubectlFailure.Explain(error, "/home/jane/.kube/config", "nope");

        Assert.Equal(exitCode, explained.ExitCode);
        Assert.Contains(part, explained.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', explained.Message);
    }
}
