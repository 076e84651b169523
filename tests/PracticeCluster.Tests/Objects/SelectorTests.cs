using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Tests.Objects;

public sealed class SelectorTests
{
    private static readonly Dictionary<string, string> Labels = new() { ["app"] = "web", ["tier"] = "front", ["empty"] = "" };

    [Theory]
    [InlineData("", true)]
    [InlineData("app=web", true)]
    [InlineData("app==web,tier=front", true)]
    [InlineData("app!=web", false)]
    [InlineData("missing!=x", true)]
    [InlineData("app", true)]
    [InlineData("!app", false)]
    [InlineData("!missing", true)]
    [InlineData("app in (db, web)", true)]
    [InlineData("app in (db),tier", false)]
    [InlineData("app notin (db,web)", false)]
    [InlineData("missing notin (a)", true)]
    [InlineData("empty=", true)]
    public void Label_selectors_match_as_kubernetes_says(string selector, bool matches) =>
        Assert.Equal(matches, LabelSelector.Parse(selector).Matches(Labels));

    [Theory]
    [InlineData("app in")]
    [InlineData("a b=c")]
    [InlineData("=x")]
    [InlineData("app within (a)")]
    public void What_is_no_selector_is_a_bad_request(string selector) =>
        Assert.Equal(400, Assert.Throws<ApiException>(() => LabelSelector.Parse(selector)).Code);

    [Fact]
    public void Match_expressions_and_match_labels_hold_together()
    {
        var spec = Given.Object("{'matchLabels':{'app':'web'},'matchExpressions':[{'key':'tier','operator':'NotIn','values':['back']},{'key':'x','operator':'DoesNotExist'}]}");
        Assert.True(LabelSelector.FromSpec(spec)!.Matches(Labels));
        Assert.False(LabelSelector.FromSpec(spec)!.Matches(new Dictionary<string, string>(Labels) { ["x"] = "1" }));
        Assert.Null(LabelSelector.FromSpec(null));
    }

    [Theory]
    [InlineData("metadata.name=a", true)]
    [InlineData("metadata.name!=a", false)]
    [InlineData("status.phase=Running,metadata.name=a", true)]
    [InlineData("spec.nodeName=", true)]
    [InlineData("involvedObject.name=b", false)]
    public void Field_selectors_read_the_object(string selector, bool matches) =>
        Assert.Equal(matches, FieldSelector.Parse(selector).Matches(Given.Object("{'metadata':{'name':'a'},'status':{'phase':'Running'}}")));

    [Fact]
    public void A_field_selector_tells_the_name_it_requires() =>
        Assert.Equal("a", FieldSelector.Parse("status.phase=Running,metadata.name=a").RequiredName);
}
