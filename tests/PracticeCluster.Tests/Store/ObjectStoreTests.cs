using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Tests.Store;

public sealed class ObjectStoreTests
{
    private readonly ObjectStore _store = new();

    [Fact]
    public void A_subscription_from_a_revision_sees_what_came_after_it()
    {
        Add("a");
        var since = _store.Revision;
        Add("b");
        _store.Replace(ResourceTypes.ConfigMaps, "n", "b", o =>
        {
            o["data"] = Given.Object("{'k':'v'}");
            return o;
        });
        _store.Remove(ResourceTypes.ConfigMaps, "n", "a");
        using var subscription = _store.Subscribe(ResourceTypes.ConfigMaps, since, out _);
        var seen = new List<string>();
        while (subscription.Changes.TryRead(out var change)) seen.Add($"{change.Kind} {change.Item.Name()}");
        Assert.Equal(["Added b", "Modified b", "Deleted a"], seen);
    }

    [Fact]
    public void A_revision_that_history_has_forgotten_is_gone()
    {
        for (var i = 0; i < 20_010; i++) Add($"x{i}");
        Assert.Equal(410, Assert.Throws<ApiException>(() => _store.Subscribe(null, 1001, out _)).Code);
    }

    [Fact]
    public void The_same_content_keeps_its_revision()
    {
        var item = Add("a");
        Assert.Same(item, _store.Replace(ResourceTypes.ConfigMaps, "n", "a", o => o));
        Assert.Equal(409, Assert.Throws<ApiException>(() => Add("a")).Code);
    }

    private System.Text.Json.Nodes.JsonObject Add(string name) =>
        _store.Add(ResourceTypes.ConfigMaps, Given.Object($"{{'metadata':{{'name':'{name}','namespace':'n'}}}}"));
}
