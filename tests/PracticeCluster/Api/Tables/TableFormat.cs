using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api.Tables;

/// <summary>The Table that kubectl get asks for instead of objects.</summary>
/// <param name="Version">v1 or v1beta1 of meta.k8s.io.</param>
/// <param name="Include">Metadata, Object or None: what comes with each row.</param>
internal sealed record TableFormat(string Version, string Include)
{
    /// <summary>The table format that the request prefers over plain objects, or null.</summary>
    public static TableFormat? Wanted(HttpRequest request)
    {
        foreach (var media in request.Headers.Accept.ToString().Split(','))
        {
            var parts = media.Split(';', StringSplitOptions.TrimEntries);
            if (parts.Contains("as=Table") && parts.Contains("g=meta.k8s.io"))
            {
                var include = request.Query["includeObject"].ToString();
                return new TableFormat(parts.Contains("v=v1beta1") ? "v1beta1" : "v1", include.Length > 0 ? include : "Metadata");
            }
            if (parts[0] is "application/json" or "*/*" && !parts.Any(p => p.StartsWith("as=", StringComparison.Ordinal))) return null;
        }
        return null;
    }

    public static JsonObject Make(ResourceType type, IReadOnlyList<JsonObject> items, JsonObject metadata, TableFormat format)
    {
        var columns = Columns.Of(type);
        return Table(columns, metadata, items.Select(i => RowOf(columns, i, format)), format, withDefinitions: true);
    }

    /// <summary>A table of one row for a watch; only the first carries the column definitions.</summary>
    public static JsonObject Row(ResourceType type, JsonObject item, TableFormat format, ref bool first)
    {
        var columns = Columns.Of(type);
        var table = Table(columns, new JsonObject { ["resourceVersion"] = item.Str("metadata", "resourceVersion") }, [RowOf(columns, item, format)], format, first);
        first = false;
        return table;
    }

    private static JsonObject Table(IReadOnlyList<Column> columns, JsonObject metadata, IEnumerable<JsonObject> rows, TableFormat format, bool withDefinitions) => new()
    {
        ["kind"] = "Table",
        ["apiVersion"] = $"meta.k8s.io/{format.Version}",
        ["metadata"] = metadata,
        ["columnDefinitions"] = withDefinitions ? Json.ArrayOf(columns.Select(Definition)) : null,
        ["rows"] = Json.ArrayOf(rows),
    };

    private static JsonObject Definition(Column column) => new()
    {
        ["name"] = column.Name,
        ["type"] = column.Type,
        ["format"] = column.Format,
        ["description"] = column.Name,
        ["priority"] = column.Wide ? 1 : 0,
    };

    private static JsonObject RowOf(IReadOnlyList<Column> columns, JsonObject item, TableFormat format)
    {
        var row = new JsonObject { ["cells"] = new JsonArray([.. columns.Select(c => c.Cell(item))]) };
        if (format.Include == "Object") row["object"] = item.DeepClone();
        else if (format.Include == "Metadata")
            row["object"] = new JsonObject { ["kind"] = "PartialObjectMetadata", ["apiVersion"] = $"meta.k8s.io/{format.Version}", ["metadata"] = item["metadata"]?.DeepClone() };
        return row;
    }
}
