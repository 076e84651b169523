using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Api.Tables;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Api;

/// <summary>
/// A watch: one JSON object a line. What moves into or out of the selectors appears as ADDED or DELETED, as on a real
/// server. Bookmarks every minute for those who ask, and after the initial objects with sendInitialEvents.
/// </summary>
internal sealed class WatchHandler(ObjectStore store, CancellationToken stopping)
{
    private static readonly TimeSpan BookmarkEvery = TimeSpan.FromMinutes(1);

    public async Task HandleAsync(HttpContext http, RequestInfo info)
    {
        var type = info.Type!;
        var query = http.Request.Query;
        var labels = LabelSelector.Parse(query["labelSelector"]);
        var fields = FieldSelector.Parse(query["fieldSelector"]);
        bool Selected(JsonObject item) =>
            (info.StoreNamespace.Length == 0 || item.Namespace() == info.StoreNamespace) && labels.Matches(item) && fields.Matches(item);

        var asked = query["resourceVersion"].ToString();
        var initial = query["sendInitialEvents"].ToString() == "true";
        long? since = asked is "" or "0" || initial ? null
            : long.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out var r) ? r
            : throw ApiException.BadRequest($"resourceVersion: Invalid value: \"{asked}\": strconv.ParseUint: parsing \"{asked}\": invalid syntax");
        var bookmarks = query["allowWatchBookmarks"].ToString() is "true" or "1";
        var format = TableFormat.Wanted(http.Request);

        ObjectStore.Subscription subscription;
        long revision;
        try
        {
            subscription = store.Subscribe(type, since, out revision);
        }
        catch (ApiException e) when (e.Code == 410)
        {
            // Within a watch the refusal is an event.
            await http.Response.StartAsync(http.RequestAborted).ConfigureAwait(false);
            await SendAsync(http, "ERROR", e.Status).ConfigureAwait(false);
            return;
        }
        using var live = subscription;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        if (int.TryParse(query["timeoutSeconds"], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds > 0)
            end.CancelAfter(TimeSpan.FromSeconds(seconds));
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-cache, private";
        await http.Response.StartAsync(end.Token).ConfigureAwait(false);
        await http.Response.Body.FlushAsync(end.Token).ConfigureAwait(false);
        try
        {
            var first = true;
            async Task Drain()
            {
                while (live.Changes.TryRead(out var change))
                {
                    revision = Math.Max(revision, change.Revision);
                    if (Event(change, Selected) is not var (kind, item)) continue;
                    await SendAsync(http, kind, format is null ? item : TableFormat.Row(type, item, format, ref first)).ConfigureAwait(false);
                }
            }
            if (since is null)
            {
                await Drain().ConfigureAwait(false);
                if (initial && bookmarks) await SendAsync(http, "BOOKMARK", Bookmark(type, revision, initialEnd: true)).ConfigureAwait(false);
            }
            while (true)
            {
                var waiting = live.Changes.WaitToReadAsync(end.Token).AsTask();
                while (bookmarks && !waiting.IsCompleted && await Task.WhenAny(waiting, Task.Delay(BookmarkEvery, end.Token)).ConfigureAwait(false) != waiting && !end.IsCancellationRequested)
                    await SendAsync(http, "BOOKMARK", Bookmark(type, revision, initialEnd: false)).ConfigureAwait(false);
                if (!await waiting.ConfigureAwait(false)) return;
                await Drain().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The client left, the time is up or the server stops: a watch ends by simply ending.
        }
    }

    private static (string Kind, JsonObject Item)? Event(Change change, Func<JsonObject, bool> selected)
    {
        var now = change.Kind != ChangeKind.Deleted && selected(change.Item);
        var before = change.Old is not null && selected(change.Old);
        return (before, now) switch
        {
            (false, true) => ("ADDED", change.Item),
            (true, true) => ("MODIFIED", change.Item),
            (true, false) => ("DELETED", change.Item),
            _ => null,
        };
    }

    private static JsonObject Bookmark(ResourceType type, long revision, bool initialEnd)
    {
        var meta = new JsonObject { ["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture), ["creationTimestamp"] = null };
        if (initialEnd) meta["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
        return new JsonObject { ["kind"] = type.Kind, ["apiVersion"] = type.ApiVersion, ["metadata"] = meta };
    }

    private static async Task SendAsync(HttpContext http, string kind, JsonObject item)
    {
        using var line = new MemoryStream();
        using (var writer = new Utf8JsonWriter(line, new JsonWriterOptions { Encoder = Json.Plain.Encoder }))
        {
            writer.WriteStartObject();
            writer.WriteString("type", kind);
            writer.WritePropertyName("object");
            item.WriteTo(writer);
            writer.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        await http.Response.Body.WriteAsync(line.GetBuffer().AsMemory(0, (int)line.Length), http.RequestAborted).ConfigureAwait(false);
        await http.Response.Body.FlushAsync(http.RequestAborted).ConfigureAwait(false);
    }
}
