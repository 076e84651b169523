using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Listeners;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Holder.Loopback;
using Telepresence.Cli.Launch.Preload;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Launch;

/// <summary>How the programs of the tree are caught: chosen for this machine and this program, then attached to the engine.</summary>
internal sealed class TreeMethod : IAsyncDisposable
{
    private readonly NamespaceHost? _namespace;
    private readonly bool _caught;
    private readonly FileLog _log;
    private readonly InvokingUser _user;
    private readonly Action<string> _say;
    private NamespaceNetwork? _network;
    private PreloadMethod? _preload;

    private TreeMethod(NamespaceHost? host, bool caught, InvokingUser user, Action<string> say, FileLog log)
    {
        _user = user;
        _say = say;
        _namespace = host;
        _caught = caught;
        _log = log;
        Host = host is not null ? host : new DirectHost();
        Volumes = host is null ? new VolumeMounter(new SemaphoreSlim(1)) : new HolderVolumes(host.Client);
    }

    /// <summary><c>netns</c> or <c>preload</c>.</summary>
    internal string Name => _caught ? "netns" : "preload";

    /// <summary>Where programs run.</summary>
    internal ITreeHost Host { get; }

    /// <summary>What mounts.</summary>
    internal IVolumeHost Volumes { get; }

    /// <summary>Makes sockets where the tree's programs listen; null where that is this machine's own loopback.</summary>
    internal ISocketSource? Inside => _network?.Sockets;

    /// <summary>Knows what listens where the tree's programs and the machine's do; null until attached.</summary>
    internal ListenerWatch? Listeners { get; private set; }

    /// <summary>Chooses, starts what holds the namespaces, and says in one line what was chosen and why not the better one.</summary>
    /// <exception cref="UserError">What was asked for is not possible here.</exception>
    internal static async Task<TreeMethod> ChooseAsync(LaunchOptions options, InvokingUser user, Action<string> say, FileLog log, CancellationToken cancellation)
    {
        string reason = "as asked for";
        if (options.Method != MethodChoice.Preload)
        {
            try
            {
                HolderCapabilities.CheckNetwork();
                TreeMethod made = new(await StartAsync(network: true, user, log, cancellation), caught: true, user, say, log);
                say($"Method netns: every program is caught{(made.Host.Rootless ? ", without root" : "")}.");
                return made;
            }
            catch (UserError error) when (options.Method == MethodChoice.Auto && error.ExitCode is ExitCode.NoNamespace or ExitCode.TunMissing)
            {
                reason = $"because netns is not possible here: {error.Message.TrimEnd('.')}";
            }
        }

        say($"Method preload, {reason}. Programs that are static or setuid are not caught.");
        if (options.Command is [string program, ..] && ProgramInspection.Find(program, user.Environment.GetValueOrDefault("PATH"), asRoot: user.Uid == 0)?.PreloadWarning is { } warning)
            say(warning);
        return new TreeMethod(options.Mount.IsWanted ? await TryMountsAsync(user, log, cancellation) : null, caught: false, user, say, log);
    }

    /// <summary>Makes the tree's network, or the preload shim's agent, part of the engine.</summary>
    /// <returns>What the environment of programs needs.</returns>
    internal async Task<IReadOnlyDictionary<string, string>> AttachAsync(ConnectEngine engine, TreeNetwork plan, string directory, CancellationToken cancellation)
    {
        if (!_caught)
        {
            await engine.AttachNetworkAsync(new EngineNetwork { DnsRules = plan.Rules, LocalServers = plan.LocalServers, RouteOutside = static _ => Task.CompletedTask });
            string place = Path.Combine(directory, "preload");
            (Host as DirectHost)?.MarkBy(place);
            _preload = await PreloadMethod.StartAsync(engine, new PreloadOptions { Directory = place, Exceptions = plan.Direct, Notice = Tell });
            Listeners = await engine.AddServiceAsync(static scope => new ListenerWatch(scope, ListenerSide.Machine()));
            return _preload.Variables(_user.Environment.GetValueOrDefault(PreloadEnvironment.LoaderVariable));
        }

        _network = await _namespace!.Client.ConfigureAsync(plan.Namespace, cancellation);
        foreach (string note in _network.Report.Notes)
            _say(note);
        await engine.AttachNetworkAsync(_network.ToEngine(plan.Rules, plan.LocalServers, plan.Direct));
        ListenerWatch watch = Listeners = await engine.AddServiceAsync(scope => LoopbackMirror.Watch(scope, _namespace.Client, _network));
        await engine.AddServiceAsync(scope => LoopbackMirror.Create(scope, watch, _network, _log.Write));
        return new Dictionary<string, string>();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        if (_preload is not null)
            await _preload.DisposeAsync();
        _network?.Sockets.Dispose();
    }

    // A terminal that takes no more text must not stop the engine's loop, which calls this.
    private void Tell(string sentence) => _ = Task.Run(() => _say(sentence));

    private static async Task<NamespaceHost?> TryMountsAsync(InvokingUser user, FileLog log, CancellationToken cancellation)
    {
        try
        {
            return await StartAsync(network: false, user, log, cancellation);
        }
        catch (UserError error) when (error.ExitCode == ExitCode.NoNamespace)
        {
            log.Write($"volumes cannot be at their real paths: {error.Message}");
            return null;
        }
    }

    private static async Task<NamespaceHost> StartAsync(bool network, InvokingUser user, FileLog log, CancellationToken cancellation) =>
        new(await HolderClient.StartAsync(new HolderOptions { Network = network, Environment = user.Environment, Log = log.Write }, cancellation));
}
