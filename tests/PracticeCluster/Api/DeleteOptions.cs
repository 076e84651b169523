using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Telepresence.PracticeCluster.Api;

/// <summary>How to delete: from the body or, as a few clients do, the query.</summary>
internal sealed record DeleteOptions(long? Grace, string? Propagation, (string? Uid, string? Revision) Precondition, bool DryRun)
{
    public static async Task<DeleteOptions> ReadAsync(HttpRequest request)
    {
        var body = await RequestBody.ReadAsync(request).ConfigureAwait(false) as JsonObject;
        var grace = body.Num("gracePeriodSeconds")
            ?? (long.TryParse(request.Query["gracePeriodSeconds"], NumberStyles.None, CultureInfo.InvariantCulture, out var g) ? g : null);
        var propagation = body.Str("propagationPolicy") ?? request.Query["propagationPolicy"].ToString();
        if (propagation.Length == 0 && body.Flag("orphanDependents") == true) propagation = "Orphan";
        return new DeleteOptions(grace, propagation, (body.Str("preconditions", "uid"), body.Str("preconditions", "resourceVersion")),
            body.Strings("dryRun").Contains("All"));
    }
}
