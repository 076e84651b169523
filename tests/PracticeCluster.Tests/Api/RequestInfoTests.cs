using Telepresence.PracticeCluster.Api;

namespace Telepresence.PracticeCluster.Tests.Api;

public sealed class RequestInfoTests
{
    [Theory]
    [InlineData("GET", "/api/v1/namespaces/a/pods", "list pods a ")]
    [InlineData("GET", "/api/v1/pods", "list pods  ")]
    [InlineData("GET", "/api/v1/namespaces/a/pods/x", "get pods a x")]
    [InlineData("POST", "/api/v1/namespaces/a/pods/x/exec", "create pods/exec a x")]
    [InlineData("GET", "/api/v1/namespaces/a/pods/x/portforward", "get pods/portforward a x")]
    [InlineData("DELETE", "/api/v1/namespaces/a/pods", "deletecollection pods a ")]
    [InlineData("PATCH", "/apis/apps/v1/namespaces/a/deployments/x/scale", "patch deployments/scale a x")]
    [InlineData("GET", "/api/v1/namespaces/a", "get namespaces a a")]
    [InlineData("PUT", "/api/v1/namespaces/a/finalize", "update namespaces/finalize a a")]
    [InlineData("GET", "/api/v1/nodes/n", "get nodes  n")]
    public void Paths_name_verb_resource_namespace_and_name(string method, string path, string expected)
    {
        var info = RequestInfo.Parse(method, path, watch: false, null);
        Assert.Equal(expected, $"{info.Verb} {info.Attributes.Combined} {info.Namespace} {info.Name}");
        Assert.NotNull(info.Type);
    }

    [Fact]
    public void A_watch_on_one_name_is_checked_for_that_name()
    {
        var info = RequestInfo.Parse("GET", "/api/v1/namespaces/a/pods", watch: true, "x");
        Assert.Equal(("watch", "x"), (info.Verb, info.Name));
    }

    [Theory]
    [InlineData("/version")]
    [InlineData("/apis")]
    [InlineData("/api/v1")]
    [InlineData("/openapi/v3/api/v1")]
    public void Other_paths_are_no_resources(string path)
    {
        var info = RequestInfo.Parse("GET", path, watch: false, null);
        Assert.False(info.Attributes.IsResource);
        Assert.Equal(path, info.Attributes.Path);
    }
}
