using Telepresence.Dns.Cache;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>
/// The resolver as a state machine without sockets, clock or threads: messages and the time go in, messages come out through
/// <see cref="IDnsTransport"/>. One owner calls it; it never blocks. Times are microseconds of any monotonic clock.
/// <para>
/// How a question is answered. Its name goes through <see cref="DnsRules"/>, which gives a plan: stages (cluster with the search list,
/// local servers, …) of one or more steps (a name in a place). Steps of a stage are asked at once but count in order, so a search list
/// costs one round trip, not one per suffix. The first positive answer wins. A stage begins when the one before has found nothing, or
/// has been silent for <see cref="ResolverOptions.HedgeDelay"/>: that is how a dead upstream goes unnoticed. "No such record" for an
/// address ends the search only if the name has an address of the other kind in the same place, see <see cref="StepState"/>; if nothing
/// is found, "no such record" outweighs "no such name", and a failure of the place asked first outweighs neither being found elsewhere
/// but prevents NXDOMAIN: what has not been looked at is not missing.
/// </para>
/// <para>
/// Each step is an exchange with an upstream. Exchanges are shared: an answered one is the cache entry until its TTL has run down, one
/// in flight is joined by identical questions. Questions are identical when name, type, RD, CD, AD, EDNS and DO are; a question with
/// EDNS options or a signature is never shared. Everything but names, TTLs and the question's EDNS size is passed on unread.
/// </para>
/// <para>
/// Upstream answers must repeat identifier and question, else they are counted and dropped. Truncated answers are asked again over
/// TCP, so that the cache holds whole answers; each client then gets TC if the answer exceeds its own UDP limit.
/// </para>
/// <para>
/// Loops. The cluster's name server may forward outside names to this very machine (a cluster in a virtual machine on it), and a local
/// "upstream" may be a forwarder that asks us. When an upstream is new it is asked for a random name; if that name arrives here as a
/// question, the upstream leads back and is not asked for outside names (cluster) or at all (local).
/// </para>
/// </summary>
public sealed partial class Resolver
{
    private readonly IDnsTransport _transport;
    private readonly ResolverOptions _options;
    private readonly LoopProbe _probe;
    private DnsRules _rules;
    private bool _clusterReachable;
    private bool _clusterLoops;
    private int _localServers;
    private uint _loopingServers;

    /// <summary>Makes a resolver that knows no upstream yet; see <see cref="SetClusterReachable"/>, <see cref="SetLocalServers"/>.</summary>
    /// <param name="rules">Which names go where.</param>
    /// <param name="transport">Where messages go.</param>
    /// <param name="options">Limits and times.</param>
    public Resolver(DnsRules rules, IDnsTransport transport, ResolverOptions? options = null)
    {
        _rules = rules;
        _transport = transport;
        _options = options ?? new ResolverOptions();
        _table = new ExchangeTable(_options.MaxExchanges, _options.CacheBytes);
        _inFlight = new Dictionary<int, Exchange>(_options.MaxExchanges);
        _probe = new LoopProbe(_options.RandomBytes);
    }

    /// <summary>Most local servers that are used.</summary>
    public const int MaxLocalServers = 16;

    /// <summary>What happened so far.</summary>
    public ResolverCounters Counters { get; } = new();

    /// <summary>Which names go where. Setting it forgets all answers; questions under way end by the old rules.</summary>
    public DnsRules Rules
    {
        get => _rules;
        set
        {
            _rules = value;
            Flush();
        }
    }

    /// <summary>The cluster's name server forwards outside names back to this machine, so they are not asked there.</summary>
    public bool ClusterLoops => _clusterLoops;

    /// <summary>Client questions that wait for an upstream.</summary>
    public int Waiting { get; private set; }

    /// <summary>When <see cref="Poll"/> wants to be called next; <see cref="long.MaxValue"/> if nothing is under way.</summary>
    public long NextDeadline =>
        Math.Min(_firstPending?.Deadline ?? long.MaxValue, _firstHedging?.HedgeDeadline ?? long.MaxValue);

    /// <summary>
    /// Takes a client's question. If it returns true, exactly one <see cref="IDnsTransport.Reply"/> follows, perhaps before this returns;
    /// if false, the message was not a question and nothing follows.
    /// </summary>
    /// <param name="query">The message, without TCP length prefix.</param>
    /// <param name="client">Who asked.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public bool Receive(ReadOnlySpan<byte> query, in DnsClientToken client, long now)
    {
        Counters.Queries++;
        if (query.Length < DnsHeader.Size || new DnsHeader(query).IsResponse)
        {
            Counters.Malformed++;
            return false;
        }
        Accept(query, client, now);
        return true;
    }

    /// <summary>Takes a message from the cluster's name server.</summary>
    public void ReceiveFromCluster(ReadOnlySpan<byte> message, long now) => Answer(Place.Cluster, 0, message, now);

    /// <summary>Takes a message from a local server, over whichever protocol.</summary>
    public void ReceiveFromLocal(int server, ReadOnlySpan<byte> message, long now) => Answer(Place.Local, server, message, now);

    /// <summary>
    /// Says whether the cluster can be asked. Call it with false when the link has been gone for longer than names should wait: questions
    /// in flight then fail over at once, and further ones are answered without the cluster.
    /// </summary>
    public void SetClusterReachable(bool reachable, long now)
    {
        if (_clusterReachable == reachable) return;
        _clusterReachable = reachable;
        if (reachable)
        {
            _clusterLoops = false;
            if (_options.LoopCheck) SendProbe(Place.Cluster, 0, now);
            return;
        }
        for (var exchange = _firstPending; exchange is not null;)
        {
            if (exchange.Place != Place.Cluster)
            {
                exchange = exchange.NextPending;
                continue;
            }
            GiveUp(exchange, now);
            // Completing one may have started or ended others: look at the list afresh.
            exchange = _firstPending;
        }
    }

    /// <summary>
    /// Says how many local servers there are, in order of preference; to be called again when they change (another network). Local
    /// answers that are kept are forgotten.
    /// </summary>
    public void SetLocalServers(int count, long now)
    {
        _localServers = Math.Clamp(count, 0, MaxLocalServers);
        _loopingServers = 0;
        _preferredServer = 0;
        Flush();
        if (!_options.LoopCheck) return;
        for (var server = 0; server < _localServers; server++) SendProbe(Place.Local, server, now);
    }

    /// <summary>A local server's socket reported an error (port unreachable): its questions go to the next server at once.</summary>
    public void LocalServerFailed(int server, long now)
    {
        for (var exchange = _firstPending; exchange is not null;)
        {
            var next = exchange.NextPending;
            if (exchange.Place == Place.Local && exchange.Server == server && exchange.Deadline > now) MoveToHead(exchange, now);
            exchange = next;
        }
        Poll(now);
    }

    /// <summary>Forgets all kept answers.</summary>
    public void Flush() => _table.Clear();

    /// <summary>Handles everything that is due.</summary>
    public void Poll(long now)
    {
        while (_firstPending is { } exchange && exchange.Deadline <= now) RetryOrGiveUp(exchange, now);
        while (_firstHedging is { } lookup && lookup.HedgeDeadline <= now) Hedge(lookup, now);
    }
}
