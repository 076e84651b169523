using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>What every way to a pod needs.</summary>
/// <param name="Client">The API server.</param>
/// <param name="Journal">Where everything is noted before it is made.</param>
/// <param name="Target">Cluster and namespace.</param>
/// <param name="Owner">Who, for people: <c>jane@laptop</c>.</param>
/// <param name="KeyHash">Lowercase hexadecimal SHA-256 of the session key (<see cref="ProxyDeployment.HashOf"/>).</param>
/// <param name="Tell">Told what the user should know: what is waited for, what was chosen.</param>
/// <param name="Log">The session's log.</param>
internal sealed record WorkloadContext(KubeClient Client, Journal Journal, KubeTarget Target, string Owner, string KeyHash, Action<string> Tell, FileLog Log)
{
    /// <summary>How long a holder that looks dead is watched: a heartbeat and some.</summary>
    internal TimeSpan Observation { get; init; } = TimeSpan.FromSeconds(35);

    /// <summary>Watches a holder that looks dead.</summary>
    internal HoldObserver Observer => new(Observation, Tell);

    /// <summary>A hold of this owner, from now on.</summary>
    internal Hold NewHold(string session) => new(session, Owner, Client.ServerTime, Client.ServerTime);
}
