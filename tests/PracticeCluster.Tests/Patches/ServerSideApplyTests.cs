using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Patches;

namespace Telepresence.PracticeCluster.Tests.Patches;

public sealed class ServerSideApplyTests
{
    [Fact]
    public void What_a_manager_no_longer_applies_goes_and_what_others_wrote_stays()
    {
        var item = Apply(Given.Object("{'metadata':{'name':'x'},'data':{'manual':'1'}}"), "{'data':{'a':'1','b':'2'}}", "me");
        item = Apply(item, "{'data':{'a':'1'}}", "me");
        Given.Same("{'manual':'1','a':'1'}", item["data"]);
    }

    [Fact]
    public void A_field_that_another_manager_applies_too_stays()
    {
        var item = Apply(Given.Object("{'metadata':{'name':'x'}}"), "{'data':{'a':'1'}}", "me");
        item = Apply(item, "{'data':{'a':'1'}}", "other");
        item = Apply(item, "{'data':{'c':'1'}}", "me");
        Given.Same("{'a':'1','c':'1'}", item["data"]);
    }

    [Fact]
    public void Another_value_for_another_managers_field_is_a_conflict_unless_forced()
    {
        var item = Apply(Given.Object("{'metadata':{'name':'x'}}"), "{'data':{'a':'1'}}", "me");
        var refusal = Assert.Throws<ApiException>(() => Apply(item, "{'data':{'a':'2'}}", "other"));
        Assert.Equal((409, "Apply failed with 1 conflict: conflict with \"me\": .data.a"), (refusal.Code, refusal.Message));
        Given.Same("{'a':'2'}", Apply(item, "{'data':{'a':'2'}}", "other", force: true)["data"]);
    }

    [Fact]
    public void An_element_of_a_keyed_list_goes_when_its_manager_drops_it()
    {
        var item = Apply(ResourceTypes.Pods, Given.Object("{'metadata':{'name':'x'},'spec':{'containers':[{'name':'side'}]}}"), "{'spec':{'containers':[{'name':'a','image':'1'}]}}", "me", false);
        item = Apply(ResourceTypes.Pods, item, "{'spec':{'containers':[{'name':'b','image':'1'}]}}", "me", false);
        Given.Same("[{'name':'side'},{'name':'b','image':'1'}]", item["spec"]!["containers"]);
    }

    private static JsonObject Apply(JsonObject old, string applied, string manager, bool force = false) =>
        Apply(ResourceTypes.ConfigMaps, old, applied, manager, force);

    private static JsonObject Apply(ResourceType type, JsonObject old, string applied, string manager, bool force) =>
        ServerSideApply.Apply(type, old, Given.Object(applied), manager, force);
}
