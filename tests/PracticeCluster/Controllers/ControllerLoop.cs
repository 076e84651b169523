using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Controllers;

/// <summary>Feeds every change to every controller and reconciles what they ask for, one key at a time.</summary>
internal sealed class ControllerLoop(ObjectStore store, IReadOnlyList<IController> controllers, Action<string> log)
{
    private readonly WorkQueue<(IController Controller, string Namespace, string Name)> _queue = new(TimeProvider.System);
    private readonly Dictionary<(IController, string, string), int> _failures = [];

    public async Task RunAsync(CancellationToken cancel)
    {
        using var subscription = store.Subscribe(null, null, out _);
        var feeding = FeedAsync(subscription, cancel);
        while (!cancel.IsCancellationRequested)
        {
            var work = await _queue.TakeAsync(cancel).ConfigureAwait(false);
            var delay = ReconcileOne(work);
            if (delay is not null) _queue.Add(work, delay.Value);
        }
        await feeding.ConfigureAwait(false);
    }

    private TimeSpan? ReconcileOne((IController Controller, string Namespace, string Name) work)
    {
        try
        {
            var again = work.Controller.Reconcile(work.Namespace, work.Name);
            _failures.Remove(work);
            return again;
        }
        catch (Exception e) when (e is ApiException or NodeException)
        {
            var failures = _failures[work] = _failures.GetValueOrDefault(work) + 1;
            log($"{work.Controller.GetType().Name} {work.Namespace}/{work.Name}: {e.Message}");
            return TimeSpan.FromMilliseconds(Math.Min(20 * Math.Pow(2, failures), 15_000));
        }
    }

    private async Task FeedAsync(ObjectStore.Subscription subscription, CancellationToken cancel)
    {
        await foreach (var change in subscription.Changes.ReadAllAsync(cancel).ConfigureAwait(false))
        {
            foreach (var controller in controllers)
                foreach (var (namespaceName, name) in controller.KeysFor(change)) _queue.Add((controller, namespaceName, name));
        }
    }
}
