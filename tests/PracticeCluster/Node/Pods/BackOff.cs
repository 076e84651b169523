namespace Telepresence.PracticeCluster.Node;

/// <summary>The kubelet's waiting time before a restart or a pull: none, 10 s, 20 s, ... 5 min; forgotten after 10 min of health.</summary>
/// <param name="firstIsFree">Whether the first time needs no waiting.</param>
internal sealed class BackOff(TimeSpan first, TimeSpan longest, bool firstIsFree)
{
    private static readonly TimeSpan ForgetAfter = TimeSpan.FromMinutes(10);
    private TimeSpan _next = firstIsFree ? TimeSpan.Zero : first;

    /// <summary>How long to wait now, after a run (or an attempt) that lasted <paramref name="lasted"/>.</summary>
    internal TimeSpan Next(TimeSpan lasted)
    {
        if (lasted >= ForgetAfter)
            _next = firstIsFree ? TimeSpan.Zero : first;
        TimeSpan wait = _next;
        _next = wait == TimeSpan.Zero ? first : wait * 2 < longest ? wait * 2 : longest;
        return wait;
    }
}
