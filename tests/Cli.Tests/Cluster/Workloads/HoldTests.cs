using System.Text.Json.Nodes;

using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

public sealed class HoldTests
{
    private static readonly DateTimeOffset Noon = new(2026, 2, 3, 12, 0, 0, TimeSpan.Zero);
    private static readonly Hold Swap = new("abc", "jane@laptop", Noon, null, "web-telepresence-abc", 3);

    [Fact]
    public void It_is_read_as_it_was_written()
    {
        JsonObject item = new() { ["metadata"] = new JsonObject { ["annotations"] = Swap.ToPatch() } };

        Assert.Equal(Swap, Hold.Of(item));
        Assert.Null(Hold.Of(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["note"] = "mine" } } }));
    }

    [Fact]
    public void A_copy_of_the_yaml_is_held_by_nobody()
    {
        JsonObject item = new() { ["metadata"] = new JsonObject { ["uid"] = "1", ["annotations"] = (Swap with { Uid = "1" }).ToPatch() } };
        Assert.NotNull(Hold.Of(item));

        item["metadata"]!["uid"] = "2";

        Assert.Null(Hold.Of(item));
    }

    [Fact]
    public void A_new_hold_leaves_nothing_of_an_earlier_one()
    {
        JsonObject patch = (Swap with { StandIn = null, Replicas = null }).ToPatch();

        Assert.True(patch.ContainsKey(Hold.StandInKey) && patch[Hold.StandInKey] is null);
        Assert.True(patch.ContainsKey(Hold.ReplicasKey) && patch[Hold.ReplicasKey] is null);
        Assert.All(Hold.RemovalPatch(), static annotation => Assert.Null(annotation.Value));
    }

    [Theory]
    [InlineData(119, null, false)]
    [InlineData(121, null, true)]
    [InlineData(1000, 950, false)]
    [InlineData(1000, 100, true)]
    public void A_holder_that_was_not_heard_for_two_minutes_is_dead(int now, int? heard, bool stale) =>
        Assert.Equal(stale, Swap.IsStale(Noon.AddSeconds(now), heard is { } at ? Noon.AddSeconds(at) : null));

    [Fact]
    public void The_second_is_told_who_has_it_and_since_when()
    {
        UserError error = Swap.Refusal("web", "team");

        Assert.Equal(ExitCode.WorkloadHeld, error.ExitCode);
        Assert.StartsWith("Deployment web in namespace team is held by jane@laptop since 2026-02-03 12:00:00 UTC (swapped, web-telepresence-abc stands in)", error.Message, StringComparison.Ordinal);
    }
}
