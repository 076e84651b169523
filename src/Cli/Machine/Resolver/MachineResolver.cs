using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>
/// Makes the machine's programs ask our name server, keeps it so while somebody else (a VPN client, NetworkManager, DHCP) rewrites the
/// same settings, and can be undone from the journal alone.
/// </summary>
/// <remarks>
/// <para>Two ways, chosen by how this machine looks names up:</para>
/// <list type="bullet">
/// <item><b>systemd-resolved</b>, if it runs and programs reach it (resolv.conf leads to its stub or is its file, or nsswitch.conf says
/// <c>resolve</c>). Our link gets our server, the cluster's search domains (short names are completed with them; resolved refuses to ask
/// servers for single labels otherwise) and routing domains. It also becomes one of the default routes: names outside the cluster are
/// asked here *and* of the machine's own servers, the first positive answer wins, so that names which only the cluster knows are found
/// and nothing is lost when we are gone. With everything, <c>~.</c> routes all names here alone.</item>
/// <item><b>resolv.conf</b>, if programs read name servers from it: ours is put in front of the others, which stay.</item>
/// </list>
/// <para>Both are done where some programs go one way and some the other. nsswitch.conf is changed if multicast DNS would claim the
/// cluster's names.</para>
/// </remarks>
/// <param name="journal">Where changes are noted before they are made.</param>
/// <param name="overlayDirectory">Directory for files that must be mounted over read-only ones: on a file system that lasts as long as
/// mounts do, such as /run/telepresence.</param>
public sealed class MachineResolver(Journal journal, string overlayDirectory)
{
    private const string ResolvConf = "/etc/resolv.conf";
    private const string Nsswitch = "/etc/nsswitch.conf";
    private const string ResolvedDirectory = "/run/systemd/resolve/";

    // resolved's two stub addresses; a query sent there comes back to us.
    private static readonly IPAddress[] Stubs = [IPAddress.Parse("127.0.0.53"), IPAddress.Parse("127.0.0.54")];

    private ResolverRequest? _request;
    private ResolvedChange? _resolved;
    private FileEditChange? _resolvConf;
    private ResolverSetup? _setup;

    /// <summary>Reads how the machine looks names up now, without our part, and changes nothing.</summary>
    /// <param name="ownInterface">Our interface, whose settings are not the machine's own; empty if there is none.</param>
    /// <param name="cancellation">Ends the tools.</param>
    public static async Task<ResolverSetup> ReadAsync(string ownInterface, CancellationToken cancellation)
    {
        Situation situation = await Situation.ReadAsync(cancellation).ConfigureAwait(false);
        return situation.Describe(ownInterface, [], []);
    }

    /// <summary>Makes the changes. When one fails those made so far stay in the journal.</summary>
    /// <exception cref="IOException">A file can neither be written nor mounted over, or resolvectl failed.</exception>
    public async Task<ResolverSetup> ConfigureAsync(ResolverRequest request, CancellationToken cancellation)
    {
        _request = request;
        Situation situation = await Situation.ReadAsync(cancellation).ConfigureAwait(false);
        List<string> notes = [];
        List<Change> changes = [];
        if (situation.Resolved is not null)
            changes.Add(_resolved = MakeResolved(request));
        if (situation.UsesResolvConf)
        {
            _resolvConf = await PrepareResolvConfAsync(request, cancellation).ConfigureAwait(false);
            changes.Add(_resolvConf);
        }

        if (await FileEditChange.PrepareAsync(Nsswitch, NsswitchText.Change, overlayDirectory, cancellation).ConfigureAwait(false) is { } nsswitch)
        {
            changes.Add(nsswitch);
            notes.Add("Multicast DNS claims names ending in .local on this machine; while connected, DNS is asked before it (/etc/nsswitch.conf).");
        }

        ResolverSetup setup = situation.Describe(request.Interface, request.Servers, notes);
        await journal.ApplyAsync(changes, cancellation).ConfigureAwait(false);
        if (_resolvConf is not null && MountTable.IsMountedOver(_resolvConf.Path, _resolvConf.Overlay))
            notes.Add($"{_resolvConf.Path} is read-only; while connected, a file of ours is mounted over it.");
        await FlushNameCacheAsync(cancellation).ConfigureAwait(false);
        return _setup = setup;
    }

    /// <summary>
    /// Looks whether our part is still there and puts it back if somebody has overwritten it. To be called every few seconds.
    /// </summary>
    /// <returns>The machine's own servers and search domains if they or our part changed, else null.</returns>
    public async Task<ResolverSetup?> CheckAsync(CancellationToken cancellation)
    {
        if (_request is null)
            return null;
        Situation situation = await Situation.ReadAsync(cancellation).ConfigureAwait(false);
        bool repaired = false;
        if (_resolved is not null && situation.Resolved is { } status && !_resolved.IsIn(status) && Directory.Exists($"/sys/class/net/{_request.Interface}"))
        {
            await _resolved.ApplyAsync(cancellation).ConfigureAwait(false);
            repaired = true;
        }

        if (_resolved is null && situation.Resolved is not null)
        {
            // resolved was started, or resolv.conf now leads to it.
            await journal.ApplyAsync(_resolved = MakeResolved(_request), cancellation).ConfigureAwait(false);
            repaired = true;
        }

        if (situation.UsesResolvConf && !ManagedText.IsIn(situation.ResolvConfText))
        {
            // What is there now is somebody's new original. The old edit is closed first: its undo finds nothing of ours and leaves it.
            if (_resolvConf is not null)
                await journal.UndoAsync(_resolvConf, cancellation).ConfigureAwait(false);
            _resolvConf = await PrepareResolvConfAsync(_request, cancellation).ConfigureAwait(false);
            await journal.ApplyAsync(_resolvConf, cancellation).ConfigureAwait(false);
            repaired = true;
        }

        ResolverSetup setup = situation.Describe(_request.Interface, _request.Servers, _setup!.Notes);
        bool changed = repaired || !setup.Upstreams.SequenceEqual(_setup.Upstreams) || !setup.Search.SequenceEqual(_setup.Search);
        if (repaired)
            await FlushNameCacheAsync(cancellation).ConfigureAwait(false);
        _setup = setup;
        return changed ? setup : null;
    }

    private static ResolvedChange MakeResolved(ResolverRequest request)
    {
        IEnumerable<string> routing = request.Zones.Except(request.Search, StringComparer.OrdinalIgnoreCase).Select(static zone => "~" + zone);
        List<string> domains = [.. request.Search, .. routing];
        if (request.Everything)
            domains.Add("~.");
        return new ResolvedChange(request.Interface, [.. request.Servers.Select(static server => server.ToString())], domains, DefaultRoute: true);
    }

    private async Task<FileEditChange> PrepareResolvConfAsync(ResolverRequest request, CancellationToken cancellation) =>
        (await FileEditChange.PrepareAsync(ResolvConf, text => ResolvConfText.Add(text, request.Servers, request.Search), overlayDirectory, cancellation).ConfigureAwait(false))!;

    /// <summary>The C library's caching daemon remembers names that did not exist a moment ago.</summary>
    private static async Task FlushNameCacheAsync(CancellationToken cancellation)
    {
        if (File.Exists("/run/nscd/socket") || File.Exists("/var/run/nscd/socket"))
            await Tool.TryRunAsync("nscd", ["--invalidate=hosts"], null, cancellation).ConfigureAwait(false);
    }

    /// <summary>Who answers names on this machine.</summary>
    private sealed record Situation(string ResolvConfText, ResolvectlStatus? Resolved, bool UsesResolvConf)
    {
        internal static async Task<Situation> ReadAsync(CancellationToken cancellation)
        {
            string real = await FileEditChange.FollowLinksAsync(ResolvConf, cancellation).ConfigureAwait(false);
            string text = FileEditChange.ReadOrEmpty(real);
            bool isStub = Resolver.ResolvConfText.Servers(ManagedText.Strip(text)).Any(Stubs.Contains);
            bool isResolveds = real.StartsWith(ResolvedDirectory, StringComparison.Ordinal);
            bool bySwitch = NsswitchText.UsesResolved(ManagedText.Strip(FileEditChange.ReadOrEmpty(Nsswitch)));

            // Asking over D-Bus would start it; so only where something points to it.
            ResolvectlStatus? resolved = isStub || isResolveds || bySwitch
                ? await ResolvectlStatus.TryReadAsync(cancellation).ConfigureAwait(false)
                : null;
            return new Situation(text, resolved, resolved is null || !isStub);
        }

        internal ResolverSetup Describe(string ownInterface, IReadOnlyList<IPAddress> ownServers, IReadOnlyList<string> notes)
        {
            string own = ManagedText.Strip(ResolvConfText);
            IEnumerable<IPAddress> servers = Resolver.ResolvConfText.Servers(own);
            IEnumerable<string> search = Resolver.ResolvConfText.Search(own);
            if (Resolved is not null)
            {
                // What resolv.conf adds comes after what resolved asks; the stub itself would ask us again.
                servers = Resolved.ServersExcept(ownInterface).Concat(servers.Except(Stubs));
                search = Resolved.SearchExcept(ownInterface).Concat(UsesResolvConf ? search : []);
            }

            string method = (Resolved, UsesResolvConf) switch
            {
                (null, _) => ResolvConf,
                (_, false) => "systemd-resolved",
                (_, true) => $"systemd-resolved+{ResolvConf}",
            };
            return new ResolverSetup(method, [.. servers.Except(ownServers).Distinct()], [.. search.Distinct(StringComparer.OrdinalIgnoreCase)], notes);
        }
    }
}
