using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class WorkloadNameTests
{
    [Fact]
    public void A_name_may_have_a_container_behind_a_colon()
    {
        Assert.Equal(new WorkloadName("web", null), WorkloadName.Parse("web", "--deployment"));
        Assert.Equal(new WorkloadName("web.v2", "app"), WorkloadName.Parse("web.v2:app", "--swap-deployment"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("Web")]
    [InlineData("-web")]
    [InlineData("web:")]
    [InlineData("web:a:b")]
    [InlineData("web:App")]
    [InlineData("web/app")]
    [InlineData("web\n")]
    public void What_cannot_be_a_name_is_refused_with_the_option(string text)
    {
        UserError error = Assert.Throws<UserError>(() => WorkloadName.Parse(text, "--deployment"));

        Assert.Equal(ExitCode.BadArguments, error.ExitCode);
        Assert.Contains("--deployment", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quickstart", true, true)]
    [InlineData("9lives", false, true)]
    [InlineData("9lives", true, false)]
    [InlineData("with.dot", false, false)]
    [InlineData("a123456789012345678901234567890123456789012345678901234567890123", false, false)]
    public void A_new_one_must_be_a_label_and_with_a_service_begin_with_a_letter(string name, bool exposes, bool good)
    {
        Exception? error = Record.Exception(() => WorkloadName.CheckNew(name, exposes));

        Assert.Equal(good, error is null);
        Assert.True(error is null or UserError { ExitCode: ExitCode.BadArguments });
    }

    [Fact]
    public void Near_names_are_typing_errors_and_parts_of_names_nearest_first()
    {
        Assert.Equal(["servicename", "servicename-deployment"], NearNames.Find("servicenam", ["frontend", "servicename-deployment", "servicename", "db"]));
        Assert.Equal(["web"], NearNames.Find("wbe", ["web", "database"]));
        Assert.Empty(NearNames.Find("web", ["database", "queue"]));
        Assert.Equal("a, b or c", NearNames.Join(["a", "b", "c"], "or"));
    }

    [Theory]
    [InlineData("datawire/telepresence-k8s:0.27", "datawire/telepresence-k8s", "0.27")]
    [InlineData("registry:5000/telepresence-k8s", "registry:5000/telepresence-k8s", "latest")]
    [InlineData("registry:5000/telepresence-k8s:1.0.0@sha256:abcd", "registry:5000/telepresence-k8s", "1.0.0")]
    [InlineData("telepresence-k8s@sha256:abcd", "telepresence-k8s", null)]
    public void An_image_is_taken_apart_as_registries_do(string image, string repository, string? tag) =>
        Assert.Equal(new ImageName(repository, tag), ImageName.Parse(image));

    [Fact]
    public void A_selector_is_written_as_a_query_has_it() =>
        Assert.Equal("app=web,tier in (front,back),!old", PodSelectorText.Of(JsonNode.Parse(Samples.Web)!["spec"]!["selector"]!.AsObject()));

    [Theory]
    [InlineData("64Mi", 67108864)]
    [InlineData("1.5G", 1500000000)]
    [InlineData("100m", 0.1)]
    [InlineData("1e3", 1000)]
    [InlineData("12E", 12e18)]
    public void Quantities_are_read(string text, double value)
    {
        Assert.True(Quantity.TryParse(text, out decimal read));
        Assert.Equal((decimal)value, read);
    }

    [Fact]
    public void A_quantity_is_divided_and_rounded_up_as_the_kubelet_does()
    {
        Assert.Equal("96", Quantity.Divide(96 * 1024 * 1024, "1Mi"));
        Assert.Equal("1", Quantity.Divide(0.05m, null));
        Assert.False(Quantity.TryParse("lots", out _));
    }
}
