using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// Who holds a Deployment, as its annotations say: what keeps two people apart, and what to restore after a swap.
/// </summary>
/// <remarks>
/// Written in one request together with the number of replicas, and with the <c>resourceVersion</c> that was read, so that of two people
/// who come at once one is refused, and so that there is no moment at which a Deployment is scaled to 0 and does not say from what.
/// </remarks>
/// <param name="Session">Random; tells one holder's sessions apart.</param>
/// <param name="Owner">Who, for people: <c>jane@laptop</c>.</param>
/// <param name="Since">Since when, by the API server's clock.</param>
/// <param name="Heard">When the holder was last heard, by the API server's clock. For a swapped Deployment that stands on the stand-in.</param>
/// <param name="StandIn">The Deployment that stands in for a swapped one, or null.</param>
/// <param name="Replicas">How many replicas it had when it was scaled to 0, or null when it was not.</param>
internal sealed record Hold(string Session, string Owner, DateTimeOffset Since, DateTimeOffset? Heard, string? StandIn = null, int? Replicas = null)
{
    internal const string SessionKey = "telepresence.io/held-session", OwnerKey = "telepresence.io/held-by", SinceKey = "telepresence.io/held-since",
        HeardKey = "telepresence.io/held-heard", StandInKey = "telepresence.io/stand-in", ReplicasKey = "telepresence.io/replicas", UidKey = "telepresence.io/held-uid";

    /// <summary>Every annotation that a hold may write.</summary>
    internal static readonly string[] Keys = [SessionKey, OwnerKey, SinceKey, HeardKey, StandInKey, ReplicasKey, UidKey];

    /// <summary>A holder that was not heard for so long is dead: four heartbeats.</summary>
    internal static readonly TimeSpan StaleAfter = TimeSpan.FromSeconds(120);

    /// <summary>How often a holder says that it lives.</summary>
    internal static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(30);

    /// <summary>The object that it was written on, where that is known: a copy of its YAML is held by nobody.</summary>
    internal string? Uid { get; init; }

    /// <summary>Reads it from an object, or null when nobody holds that.</summary>
    internal static Hold? Of(JsonObject item)
    {
        if (item["metadata"]?["annotations"] is not JsonObject annotations || Text(annotations, SessionKey) is not { Length: > 0 } session)
            return null;
        string? uid = Text(annotations, UidKey);
        if (uid is not null && uid != (string?)item["metadata"]!["uid"])
            return null;
        return new Hold(session, Text(annotations, OwnerKey) ?? "somebody", Time(annotations, SinceKey) ?? DateTimeOffset.UnixEpoch, Time(annotations, HeardKey), Text(annotations, StandInKey))
        {
            Replicas = int.TryParse(Text(annotations, ReplicasKey), NumberStyles.None, CultureInfo.InvariantCulture, out int replicas) ? replicas : null,
            Uid = uid,
        };
    }

    /// <summary>Whether an object carries anything of a hold, whoever's.</summary>
    internal static bool HasTraces(JsonObject item) =>
        item["metadata"]?["annotations"] is JsonObject annotations && Keys.Any(annotations.ContainsKey);

    /// <summary>As annotations.</summary>
    internal Dictionary<string, string> ToAnnotations()
    {
        Dictionary<string, string> annotations = new()
        {
            [SessionKey] = Session,
            [OwnerKey] = Owner,
            [SinceKey] = Format(Since),
        };
        if (Heard is { } heard)
            annotations[HeardKey] = Format(heard);
        if (StandIn is not null)
            annotations[StandInKey] = StandIn;
        if (Replicas is { } replicas)
            annotations[ReplicasKey] = replicas.ToString(CultureInfo.InvariantCulture);
        if (Uid is not null)
            annotations[UidKey] = Uid;
        return annotations;
    }

    /// <summary>A merge patch's annotations that write this hold and nothing of an earlier one.</summary>
    internal JsonObject ToPatch()
    {
        Dictionary<string, string> annotations = ToAnnotations();
        return Patch(key => annotations.GetValueOrDefault(key));
    }

    /// <summary>A merge patch's annotations that remove any hold.</summary>
    internal static JsonObject RemovalPatch() => Patch(static _ => null);

    /// <summary>Whether the holder is dead.</summary>
    /// <param name="now">By the API server's clock.</param>
    /// <param name="heard">When it was last heard elsewhere, on the stand-in.</param>
    internal bool IsStale(DateTimeOffset now, DateTimeOffset? heard = null) =>
        now - new[] { Since, Heard ?? DateTimeOffset.UnixEpoch, heard ?? DateTimeOffset.UnixEpoch }.Max() > StaleAfter;

    /// <summary>What to tell the second.</summary>
    internal UserError Refusal(string name, string @namespace) => new(
        ExitCode.WorkloadHeld,
        $"Deployment {name} in namespace {@namespace} is held by {Owner} since {Since.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC{(StandIn is null ? "" : $" (swapped, {StandIn} stands in)")}; wait until that session ends, or choose another one. The hold of a session that died ends {StaleAfter.TotalSeconds:0} seconds after it was last heard.");

    /// <summary>A time as annotations have it.</summary>
    internal static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static JsonObject Patch(Func<string, string?> value)
    {
        JsonObject annotations = [];
        foreach (string key in Keys)
            annotations[key] = value(key);
        return annotations;
    }

    // Whatever is there: an annotation is a string to the API server, but this may be read before it has looked.
    private static string? Text(JsonObject annotations, string key) =>
        annotations[key] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static DateTimeOffset? Time(JsonObject annotations, string key) =>
        DateTimeOffset.TryParse(Text(annotations, key), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time : null;
}
