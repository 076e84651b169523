using System.Globalization;
using System.Text.Json.Nodes;

using Microsoft.AspNetCore.Http;

using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Cluster.Workloads;

/// <summary>
/// The part of an API server that workloads speak to: objects with resource versions, merge patches with preconditions, watches; and a
/// pod that runs for each Deployment that asks for one.
/// </summary>
internal sealed class FakeCluster : IAsyncDisposable
{
    private readonly SortedDictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private readonly string _directory = Directory.CreateTempSubdirectory("fake-cluster-").FullName;
    private FakeApiServer _server = null!;
    private KubeClient _client = null!;
    private int _revision = 100;

    internal Journal Journal { get; private set; } = null!;

    /// <summary>What the user was told.</summary>
    internal List<string> Told { get; } = [];

    /// <summary>Answers in place of the cluster, or returns null.</summary>
    internal Func<string, (int Status, string Reason, string Message)?> Refuse { get; set; } = static _ => null;

    /// <summary>Is called for each request, before it is carried out: somebody else who is faster.</summary>
    internal Action<string> Meanwhile { get; set; } = static _ => { };

    internal List<string> Requests => _server.Requests;

    internal KubeClient Client => _client;

    internal static async Task<FakeCluster> StartAsync(params string[] deployments)
    {
        FakeCluster cluster = new();
        cluster._server = await FakeApiServer.StartAsync(cluster.AnswerAsync);
        cluster._client = cluster._server.Client();
        cluster.Journal = Journal.OpenAt(Path.Combine(cluster._directory, "journal"));
        foreach (string deployment in deployments)
            cluster.Add("deployments", JsonNode.Parse(deployment)!.AsObject());
        return cluster;
    }

    internal WorkloadContext Context(string owner = "jane@laptop") => new(
        _client, Journal, new KubeTarget("here", "web", "https://api.example.com:6443", null), owner, new string('a', 64), Told.Add, FileLog.Open(Path.Combine(_directory, "log"), verbose: true))
    {
        Observation = TimeSpan.Zero,
    };

    /// <summary>What ProxyPod does: make, wait until the pod runs, take over.</summary>
    internal async Task<Pod> StartPodAsync(IProxyWorkload workload)
    {
        await workload.MakeAsync(CancellationToken.None);
        Pod pod = await new PodWatch(_client, workload, Told.Add).WaitAsync(CancellationToken.None);
        await workload.TakeOverAsync(CancellationToken.None);
        return pod;
    }

    internal JsonObject? Find(string kind, string name)
    {
        lock (_objects)
            return _objects.TryGetValue($"{kind}/{name}", out JsonObject? item) ? item.DeepClone().AsObject() : null;
    }

    internal JsonObject Deployment(string name) => Find("deployments", name) ?? throw new InvalidOperationException($"no deployment {name}");

    internal IReadOnlyList<string> Names(string kind)
    {
        lock (_objects)
            return [.. _objects.Keys.Where(key => key.StartsWith(kind + "/", StringComparison.Ordinal)).Select(key => key[(kind.Length + 1)..])];
    }

    internal void Add(string kind, JsonObject item)
    {
        lock (_objects)
        {
            item["metadata"]!["uid"] = $"uid-{++_revision}";
            item["metadata"]!["namespace"] = "web";
            item["metadata"]!["resourceVersion"] = Text(++_revision);
            _objects[$"{kind}/{item["metadata"]!["name"]}"] = item;
        }
    }

    /// <summary>Somebody else's change.</summary>
    internal void Change(string kind, string name, Action<JsonObject> change)
    {
        lock (_objects)
        {
            JsonObject item = _objects[$"{kind}/{name}"];
            change(item);
            item["metadata"]!["resourceVersion"] = Text(++_revision);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Journal.Dispose();
        _client.Dispose();
        await _server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private async Task AnswerAsync(HttpContext context)
    {
        string line = $"{context.Request.Method} {context.Request.Path}";
        Meanwhile(line);
        if (Refuse(line) is { } refusal)
        {
            await FakeApiServer.AnswerAsync(context, refusal.Status, FakeApiServer.Status(refusal.Status, refusal.Reason, refusal.Message));
            return;
        }

        string[] path = [.. context.Request.Path.Value!.Split('/').SkipWhile(static part => part != "namespaces").Skip(2)];
        (string kind, string? name) = (path[0], path.ElementAtOrDefault(1));
        if (context.Request.Query.ContainsKey("watch"))
        {
            await WatchAsync(context, kind);
            return;
        }

        using StreamReader reader = new(context.Request.Body);
        string body = await reader.ReadToEndAsync();
        (int status, JsonObject answer) = Handle(context.Request.Method, kind, name, body.Length > 0 ? JsonNode.Parse(body)!.AsObject() : null, context.Request.ContentType);
        await FakeApiServer.AnswerAsync(context, status, answer.ToJsonString());
    }

    private (int Status, JsonObject Answer) Handle(string method, string kind, string? name, JsonObject? body, string? type)
    {
        lock (_objects)
        {
            string key = $"{kind}/{name ?? (string?)body?["metadata"]?["name"]}";
            _objects.TryGetValue(key, out JsonObject? item);
            switch (method)
            {
                case "GET" when name is null:
                    return (200, new JsonObject { ["items"] = new JsonArray([.. (kind == "pods" ? Pods() : Names(kind).Select(found => _objects[$"{kind}/{found}"])).Select(static found => found.DeepClone())]) });
                case "POST" when item is not null:
                    return Failure(409, "AlreadyExists", $"{kind} \"{body!["metadata"]!["name"]}\" already exists");
                case "POST":
                    Add(kind, body!);
                    return (201, _objects[key].DeepClone().AsObject());
                case not "POST" when item is null:
                    return Failure(404, "NotFound", $"{kind} \"{name}\" not found");
                case "GET":
                    return (200, item!.DeepClone().AsObject());
                case "PATCH":
                    Assert.Equal("application/merge-patch+json", type);
                    if (body!["metadata"]?["resourceVersion"] is { } revision && (string?)revision != (string?)item!["metadata"]!["resourceVersion"])
                        return Failure(409, "Conflict", "the object has been modified");
                    Merge(item!, body);
                    item!["metadata"]!["resourceVersion"] = Text(++_revision);
                    return (200, item.DeepClone().AsObject());
                default:
                    if (body?["preconditions"]?["uid"] is { } uid && (string?)uid != (string?)item!["metadata"]!["uid"])
                        return Failure(409, "Conflict", "the UID in the precondition does not match");
                    _objects.Remove(key);
                    return (200, item!.DeepClone().AsObject());
            }
        }
    }

    private static (int Status, JsonObject Answer) Failure(int code, string reason, string message) =>
        (code, JsonNode.Parse(FakeApiServer.Status(code, reason, message))!.AsObject());

    // RFC 7386.
    private static void Merge(JsonObject target, JsonObject patch)
    {
        foreach ((string key, JsonNode? value) in patch)
        {
            if (value is null)
                target.Remove(key);
            else if (value is JsonObject inner && target[key] is JsonObject present)
                Merge(present, inner);
            else
                target[key] = value is JsonObject fresh ? WithoutNulls(fresh) : value.DeepClone();
        }
    }

    private static JsonObject WithoutNulls(JsonObject item)
    {
        JsonObject result = [];
        Merge(result, item);
        return result;
    }

    private IEnumerable<JsonObject> Pods()
    {
        foreach (string name in Names("deployments"))
        {
            JsonObject deployment = _objects[$"deployments/{name}"];
            if (((int?)deployment["spec"]!["replicas"] ?? 1) == 0)
                continue;
            JsonObject template = deployment["spec"]!["template"]!.DeepClone().AsObject();
            JsonObject metadata = template["metadata"]!.AsObject();
            metadata["name"] = $"{name}-pod";
            metadata["uid"] = $"pod-of-{deployment["metadata"]!["uid"]}";
            yield return new JsonObject
            {
                ["metadata"] = metadata.DeepClone(),
                ["spec"] = template["spec"]!.DeepClone(),
                ["status"] = new JsonObject
                {
                    ["phase"] = "Running",
                    ["containerStatuses"] = new JsonArray([.. template["spec"]!["containers"]!.AsArray().Select(static container => new JsonObject { ["name"] = (string?)container!["name"], ["state"] = new JsonObject { ["running"] = new JsonObject() } })]),
                },
            };
        }
    }

    private async Task WatchAsync(HttpContext context, string kind)
    {
        await context.Response.StartAsync();
        string[] lines;
        string selector = context.Request.Query["labelSelector"].ToString();
        lock (_objects)
        {
            IEnumerable<JsonObject> found = kind == "pods"
                ? Pods().Where(pod => selector.Split(',').All(pair => (string?)pod["metadata"]!["labels"]![pair.Split('=')[0]] == pair.Split('=')[1]))
                : Names(kind).Where(name => context.Request.Query["fieldSelector"] == $"metadata.name={name}").Select(name => _objects[$"{kind}/{name}"]);
            lines = [.. found.Select(static item => $$"""{"type":"ADDED","object":{{item.ToJsonString()}}}""" + "\n")];
        }

        foreach (string line in lines)
            await context.Response.WriteAsync(line);
        await context.Response.Body.FlushAsync();
        TaskCompletionSource gone = new();
        await using CancellationTokenRegistration aborted = context.RequestAborted.Register(gone.SetResult);
        await gone.Task;
    }
}
