using Telepresence.Cli.Cluster;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Daemon;

/// <summary>Puts a <see cref="StatusReport"/> together.</summary>
internal static class StatusReporter
{
    /// <summary>Makes the report of a user daemon; parts that are not known yet are null.</summary>
    internal static StatusReport Make(
        ConnectRequest request, string state, string? trouble, NetworkPlan? plan, NetworkReport? report, PodReport? info, ProxyPod? pod, EngineStatus engine) => new()
        {
            RootDaemon = OfRoot(request.Options, plan, report),
            UserDaemon = new UserDaemonStatus
            {
                Running = true,
                Name = "OSS User Daemon",
                Version = ProductVersion.Text,
                Executable = Environment.ProcessPath,
                User = request.User.Name,
                Status = state,
                Error = trouble,
                KubernetesServer = request.Target.Server,
                KubernetesContext = request.Target.Context,
                Namespace = request.Target.Namespace,
                LogFile = request.Options.LogFile,
            },
            TrafficManager = new ProxyStatus
            {
                Name = info is null ? null : "OSS Traffic Manager",
                Version = info?.Version,
                Pod = pod?.Name,
                Image = pod?.Image,
                Session = engine.Session,
                RoundTripMs = engine.RoundTripMicroseconds == 0 ? null : Math.Round(engine.RoundTripMicroseconds / 1000.0, 2),
                Connections = engine.Streams,
                Links = (int)engine.Mux.Links,
                Counters = Counters(engine),
            },
        };

    private static RootDaemonStatus OfRoot(ConnectOptions options, NetworkPlan? plan, NetworkReport? report) => new()
    {
        Running = true,
        Name = "OSS Root Daemon",
        Version = ProductVersion.Text,
        Interface = report?.Interface,
        Dns = report is null || plan is null ? null : new DnsStatus
        {
            LocalIp = report.Addresses.Count > 0 ? report.Addresses[0] : null,
            RemoteIp = plan.NameServer,
            IncludeSuffixes = [plan.Names.ClusterDomain, .. plan.Spec.Suffixes],
            SearchPath = plan.Names.Search,
            Method = report.DnsMethod,
        },
        Subnets = report?.Routes,
        AlsoProxy = NullIfEmpty([.. options.AlsoProxy, .. options.AlsoProxyHosts]),
        NeverProxy = NullIfEmpty(plan?.Spec.NeverProxy ?? []),
        Notes = NullIfEmpty([.. report?.Skipped ?? [], .. plan?.Notes ?? []]),
    };

    private static Dictionary<string, long>? Counters(EngineStatus engine)
    {
        (string Name, long Value)[] all =
        [
            ("packets_malformed", engine.Stack?.Malformed ?? 0),
            ("packets_bad_checksum", engine.Stack?.BadChecksum ?? 0),
            ("packets_unsupported", engine.Stack?.Unsupported ?? 0),
            ("syns_dropped", engine.Stack?.SynsDropped ?? 0),
            ("dns_malformed", engine.Dns?.Malformed ?? 0),
            ("dns_timed_out", engine.Dns?.TimedOut ?? 0),
            ("session_protocol_errors", engine.Mux.ProtocolErrors),
            ("session_frames_replayed", engine.Mux.FramesReplayed),
            ("bytes_sent", engine.Mux.BytesSent),
            ("bytes_received", engine.Mux.BytesReceived),
        ];
        Dictionary<string, long> counted = all.Where(static counter => counter.Value != 0).ToDictionary(static counter => counter.Name, static counter => counter.Value);
        return counted.Count == 0 ? null : counted;
    }

    private static IReadOnlyList<string>? NullIfEmpty(IReadOnlyList<string> list) => list.Count == 0 ? null : list;
}
