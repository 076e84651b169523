using System.Net;

using Telepresence.Cli.Machine;
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

    /// <summary>Takes everything back.</summary>
    /// <returns>A sentence for each thing that could not be.</returns>
    Task<IReadOnlyList<string>> UndoAsync();
}

/// <summary>The machine itself, with its journal.</summary>
internal sealed class MachineOwner(Journal journal) : IMachine
{
    private static readonly TimeSpan UndoLimit = TimeSpan.FromSeconds(15);

    private MachineNetwork? _network;
    private NetworkReport _report = new();

    /// <inheritdoc/>
    public async Task<(NetworkReport Report, IReadOnlyList<FileDescriptor> Descriptors)> ConfigureAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        NetworkRequest request = ToRequest(spec);
        try
        {
            _network = new MachineNetwork(journal);
            NetworkResult made = await _network.ConfigureAsync(request, cancellation);
            _report = new NetworkReport
            {
                Interface = made.Interface,
                Mtu = request.Mtu,
                Addresses = Texts(made.Addresses),
                Routes = Texts(made.Routes),
                Exceptions = Texts(made.Exceptions),
                Skipped = made.Skipped,
            };
            return (_report, [made.Tun]);
        }
        catch (IOException fault)
        {
            throw Explain(fault);
        }
    }

    /// <inheritdoc/>
    public async Task<NetworkReport> UpdateAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        if (_network is null)
            throw new UserError(ExitCode.LocalNetwork, "The machine's network is not set up; connect again.");
        try
        {
            (IReadOnlyList<IPNetwork> routes, IReadOnlyList<IPNetwork> exceptions, IReadOnlyList<string> skipped) = await _network.UpdateAsync(ToRequest(spec), cancellation);
            return _report = _report with { Routes = Texts(routes), Exceptions = Texts(exceptions), Skipped = skipped };
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
    }

    private static NetworkRequest ToRequest(NetworkSpec spec) => new()
    {
        Found = Networks(spec.Found),
        AlsoProxy = Networks(spec.AlsoProxy),
        NeverProxy = Networks(spec.NeverProxy),
        Everything = spec.Everything,
    };

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
            _ => new UserError(ExitCode.LocalNetwork, $"The machine's network could not be set up: {fault.Message}.", fault),
        };
    }
}
