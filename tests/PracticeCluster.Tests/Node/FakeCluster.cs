using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>The control plane as far as the node sees it: objects to look up, and the reports it receives.</summary>
public sealed class FakeCluster : IClusterLookup, INodeListener
{
    private readonly ConcurrentDictionary<(string, string, string), JsonObject> _objects = new();
    private readonly ConcurrentDictionary<PodKey, PodReport> _reports = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _tokens;

    public ConcurrentQueue<(PodKey Pod, string? Container, string Reason, string Message)> Events { get; } = new();

    public string CaCertificatePem => "-----BEGIN CERTIFICATE-----\n";

    public void Put(string resource, string namespaceName, string name, string json) =>
        _objects[(resource, namespaceName, name)] = JsonNode.Parse(json)!.AsObject();

    public JsonObject? Get(string resource, string namespaceName, string name) => _objects.GetValueOrDefault((resource, namespaceName, name));

    public IReadOnlyList<JsonObject> List(string resource, string namespaceName) =>
        [.. _objects.Where(pair => pair.Key.Item1 == resource && pair.Key.Item2 == namespaceName).Select(pair => pair.Value)];

    public string RequestToken(PodKey pod, string serviceAccount, string? audience, TimeSpan lifetime) =>
        $"token-{serviceAccount}-{Interlocked.Increment(ref _tokens)}";

    public ImageFault? ImageFaultFor(string image) => null;

    public void PodStatus(PodKey pod, PodReport report)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _reports[pod] = report;
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    public void PodEvent(PodKey pod, string? container, string type, string reason, string message) =>
        Events.Enqueue((pod, container, reason, message));

    public PodReport? Report(PodKey pod) => _reports.GetValueOrDefault(pod);

    /// <summary>Waits until the pod's report is as wanted.</summary>
    public async Task<PodReport> WaitAsync(PodKey pod, Func<PodReport, bool> wanted)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            Task changed;
            PodReport? report;
            lock (_gate)
            {
                report = Report(pod);
                changed = _changed.Task;
            }

            if (report is not null && wanted(report))
                return report;
            try
            {
                await changed.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                string events = string.Join('\n', Events.Where(e => e.Pod == pod).Select(e => $"{e.Reason}: {e.Message}"));
                throw new TimeoutException($"{pod} is {report?.Phase} {string.Join(", ", report?.Containers ?? [])}\n{events}");
            }
        }
    }
}
