using System.Net;

using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Dns;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>What the root daemon does to the machine; the seam at which tests do without root.</summary>
internal interface IMachine
{
    /// <summary>Makes the TUN, its routes and the resolver.</summary>
    /// <returns>The report, and the descriptors that the user daemon serves: the TUN, the UDP sockets, the TCP sockets.</returns>
    Task<(NetworkReport Report, IReadOnlyList<FileDescriptor> Descriptors)> ConfigureAsync(NetworkSpec spec, CancellationToken cancellation);

    /// <summary>Changes the routes.</summary>
    Task<NetworkReport> UpdateAsync(NetworkSpec spec, CancellationToken cancellation);

    /// <summary>Looks whether routes and resolver still are as they were made, and repairs what somebody else has changed.</summary>
    /// <returns>The report, if something in it has changed; else null.</returns>
    Task<NetworkReport?> CheckAsync(CancellationToken cancellation);

    /// <summary>Takes everything back.</summary>
    /// <returns>A sentence for each thing that could not be.</returns>
    Task<IReadOnlyList<string>> UndoAsync();
}

/// <summary>The machine itself, with its journal.</summary>
internal sealed class MachineOwner(Journal journal) : IMachine
{
    private static readonly TimeSpan UndoLimit = TimeSpan.FromSeconds(30);

    private const int DnsPort = 53;

    private MachineResolver _resolver = new(journal, DaemonPaths.Runtime);
    private IReadOnlyList<string> _notes = [];
    private MachineNetwork? _network;
    private NetworkRequest _request = new();
    private NetworkSpec _spec = new();
    private NetworkReport _report = new();

    /// <inheritdoc/>
    public async Task<(NetworkReport Report, IReadOnlyList<FileDescriptor> Descriptors)> ConfigureAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        if (_network is not null)
            throw new UserError(ExitCode.LocalNetwork, "The machine's network is set up already.");
        List<FileDescriptor> descriptors = [];
        try
        {
            // The machine's own name servers stay outside, wherever they are: names must not depend on the tunnel that they help to make.
            ResolverSetup before = await MachineResolver.ReadAsync(ownInterface: "", cancellation);
            _spec = spec;
            _request = ToRequest(spec, before.Upstreams);
            _network = new MachineNetwork(journal);
            NetworkResult made = await _network.ConfigureAsync(_request, cancellation);
            descriptors.Add(made.Tun);
            DnsSockets dns = DnsSockets.Open(made.Addresses);
            descriptors.AddRange([.. dns.Udp, .. dns.Tcp]);
            ResolverSetup resolver = await _resolver.ConfigureAsync(ToResolverRequest(made, spec), cancellation);
            _notes = resolver.Notes;
            _report = WithResolver(resolver) with
            {
                Interface = made.Interface,
                Mtu = _request.Mtu,
                Addresses = Texts(made.Addresses),
                Routes = Texts(made.Routes),
                Exceptions = Texts(made.Exceptions),
                Skipped = [.. made.Skipped, .. _notes],
                DnsUdpCount = dns.Udp.Count,
            };
            return (_report, descriptors);
        }
        catch (Exception fault)
        {
            foreach (FileDescriptor descriptor in descriptors)
                descriptor.Dispose();
            if (fault is IOException refused)
                throw Explain(refused);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<NetworkReport> UpdateAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        if (_network is null)
            throw new UserError(ExitCode.LocalNetwork, "The machine's network is not set up; connect again.");
        _spec = spec;
        _request = ToRequest(spec, [.. _report.LocalServers.Select(static server => IPEndPoint.Parse(server).Address)]);
        return await UpdateRoutesAsync(_network, cancellation);
    }

    /// <inheritdoc/>
    public async Task<NetworkReport?> CheckAsync(CancellationToken cancellation)
    {
        if (_network is null || _report.Interface.Length == 0)
            return null;
        try
        {
            NetworkReport before = _report;
            ResolverSetup? resolver = await _resolver.CheckAsync(cancellation);
            if (resolver is not null)
            {
                _report = WithResolver(resolver);
                _request = ToRequest(_spec, resolver.Upstreams);
            }

            NetworkReport now = await UpdateRoutesAsync(_network, cancellation);
            bool same = now.Routes.SequenceEqual(before.Routes) && now.Exceptions.SequenceEqual(before.Exceptions) && now.Skipped.SequenceEqual(before.Skipped);
            return resolver is null && same ? null : now;
        }
        catch (IOException fault)
        {
            throw Explain(fault);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> UndoAsync()
    {
        using CancellationTokenSource limit = new(UndoLimit);
        try
        {
            return await journal.UndoAllAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            return ["The machine's network was not undone in time; the next telepresence connect or quit does it."];
        }
        finally
        {
            // The next connection begins anew.
            _network = null;
            _report = new NetworkReport();
            _resolver = new MachineResolver(journal, DaemonPaths.Runtime);
        }
    }

    private async Task<NetworkReport> UpdateRoutesAsync(MachineNetwork network, CancellationToken cancellation)
    {
        try
        {
            (IReadOnlyList<IPNetwork> routes, IReadOnlyList<IPNetwork> exceptions, IReadOnlyList<string> skipped) = await network.UpdateAsync(_request, cancellation);
            return _report = _report with { Routes = Texts(routes), Exceptions = Texts(exceptions), Skipped = [.. skipped, .. _notes] };
        }
        catch (IOException fault)
        {
            throw Explain(fault);
        }
    }

    private static NetworkRequest ToRequest(NetworkSpec spec, IReadOnlyList<IPAddress> nameServers) => new()
    {
        Found = Networks(spec.Found),
        AlsoProxy = Networks(spec.AlsoProxy),
        NeverProxy = [.. Networks(spec.NeverProxy).Where(static network => !network.BaseAddress.IsIPv6LinkLocal), .. nameServers.Where(static server => !IPAddress.IsLoopback(server) && !server.IsIPv6LinkLocal).Select(NetworkPlan.Single)],
        Everything = spec.Everything,
    };

    private static ResolverRequest ToResolverRequest(NetworkResult network, NetworkSpec spec) => new()
    {
        Interface = network.Interface,
        Servers = network.Addresses,
        Search = Names(spec.Search),
        Zones = [.. Names([spec.ClusterDomain, .. spec.Suffixes]), .. network.Routes.Where(static route => route.PrefixLength > 0).SelectMany(ReverseZones.ForSubnet)],
        Everything = spec.Everything,
    };

    private NetworkReport WithResolver(ResolverSetup resolver) => _report with
    {
        LocalServers = [.. resolver.Upstreams.Select(static server => new IPEndPoint(server, DnsPort).ToString())],
        LocalSearch = resolver.Search,
        DnsMethod = resolver.Method,
    };

    // They go into files and commands of the machine: what is not a name goes nowhere.
    private static IReadOnlyList<string> Names(IReadOnlyList<string> texts) =>
        [.. texts.Select(static text => text.Trim('.')).Where(static text => text.Length > 0 && HostName.IsValid(text))];

    // From the user daemon, which is not root: whatever it says is parsed strictly before it comes near a command.
    private static IReadOnlyList<IPNetwork> Networks(IReadOnlyList<string> texts) =>
        [.. texts.Select(static text => IPNetwork.TryParse(text, out IPNetwork network) ? network : throw new UserError(ExitCode.LocalNetwork, $"{text} is not a network in CIDR form."))];

    private static IReadOnlyList<string> Texts<T>(IEnumerable<T> values) => [.. values.Select(static value => value!.ToString()!)];

    private static UserError Explain(IOException fault)
    {
        const int noEntry = 2, noDevice = 19, notPermitted = 1, denied = 13;
        return fault.HResult switch
        {
            noEntry or noDevice => new UserError(ExitCode.TunMissing, $"There is no TUN device ({fault.Message}); load the kernel module tun, or start the container with --device /dev/net/tun.", fault),
            notPermitted or denied => new UserError(ExitCode.TunMissing, $"A TUN device may not be made here ({fault.Message}); the container or sandbox needs the capability NET_ADMIN.", fault),
            _ => new UserError(ExitCode.LocalNetwork, $"The machine's network could not be set up: {fault.Message.TrimEnd('.')}.", fault),
        };
    }
}
