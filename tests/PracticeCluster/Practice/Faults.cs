using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>The switches to misbehave. Everything is as on a healthy cluster until one of them is thrown.</summary>
internal sealed class Faults
{
    private readonly ConcurrentDictionary<long, Action> _portForwards = new();
    private readonly List<(string Verb, string Resource, string? User)> _refusals = [];
    private readonly List<(Regex Pattern, ImageFault Fault)> _images = [];
    private readonly Lock _gate = new();
    private Task _stall = Task.CompletedTask;
    private long _next;

    /// <summary>Each API request waits this long first.</summary>
    public TimeSpan Slowness { get; set; }

    /// <summary>New port-forwards get an HTTP 500 as when the kubelet cannot be reached.</summary>
    public bool RefusePortForward { get; set; }

    public int PortForwards => _portForwards.Count;

    /// <summary>Joins the live port-forwards; <paramref name="abort"/> resets its TCP connection.</summary>
    public IDisposable Register(Action abort)
    {
        var id = Interlocked.Increment(ref _next);
        _portForwards[id] = abort;
        return new Registration(() => _portForwards.TryRemove(id, out _));
    }

    /// <returns>How many were cut.</returns>
    public int DropPortForwards()
    {
        var all = _portForwards.Values.ToList();
        foreach (var abort in all) abort();
        return all.Count;
    }

    /// <summary>For a time, port-forwards stay open and move nothing.</summary>
    public void StallPortForwards(TimeSpan time) => _stall = Task.Delay(time);

    /// <summary>Passed before each piece of a port-forward.</summary>
    public Task PortForwardGate() => _stall;

    public void Refuse(string verb, string resource, string? user)
    {
        lock (_gate) _refusals.Add((verb, resource, user));
    }

    /// <summary>Whether a request is to be refused with 403. "*" stands for anything; resource may be "pods/exec".</summary>
    public bool Refuses(string verb, string resource, string user)
    {
        lock (_gate) return _refusals.Exists(r => (r.Verb == "*" || r.Verb == verb)
            && (r.Resource == "*" || r.Resource == resource) && (r.User is null || r.User == user));
    }

    public void SpoilImages(string pattern, ImageFault fault)
    {
        var regex = new Regex($"^{Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal)}$");
        lock (_gate) _images.Add((regex, fault));
    }

    public ImageFault? ForImage(string image)
    {
        lock (_gate) return _images.Where(i => i.Pattern.IsMatch(image)).Select(i => i.Fault).LastOrDefault();
    }

    /// <summary>All switches back.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _refusals.Clear();
            _images.Clear();
        }
        Slowness = TimeSpan.Zero;
        RefusePortForward = false;
        _stall = Task.CompletedTask;
    }

    private sealed class Registration(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
