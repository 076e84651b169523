namespace Telepresence.Dns.Tests;

/// <summary>A resolver, its clients and its upstreams, with a clock that is moved by hand.</summary>
internal sealed class Bench : IDnsTransport
{
    public const long Second = 1_000_000;

    public static readonly DnsRulesOptions PodRules = new()
    {
        Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
    };

    private readonly List<(DnsClientToken Client, byte[] Message, DnsOrigin Origin)> _replies = [];
    private ulong _nextClient;

    public Bench(DnsRulesOptions? rules = null, ResolverOptions? options = null, bool reachable = true, int localServers = 1)
    {
        var random = new Random(7);
        options ??= new ResolverOptions();
        Resolver = new Resolver(new DnsRules(rules ?? PodRules), this, options with { LoopCheck = false, RandomBytes = random.NextBytes });
        Resolver.SetClusterReachable(reachable, Now);
        Resolver.SetLocalServers(localServers, Now);
    }

    public Resolver Resolver { get; }

    public long Now { get; private set; } = 1000 * Second;

    public List<byte[]> ToCluster { get; } = [];

    public List<(int Server, byte[] Query, bool OverTcp)> ToLocal { get; } = [];

    public bool LastClusterOverTcp { get; private set; }

    /// <summary>Questions sent to the cluster and not yet taken, as text.</summary>
    public IEnumerable<string> ClusterQuestions => ToCluster.Select(query => Message.Question(query));

    public IEnumerable<string> LocalQuestions => ToLocal.Select(sent => $"{sent.Server}: {Message.Question(sent.Query)}");

    public int ReplyCount => _replies.Count;

    public DnsClientToken Ask(string name, string type = "A", bool tcp = false) => Ask(Message.Query(name, type), tcp);

    public DnsClientToken Ask(byte[] query, bool tcp = false)
    {
        var client = new DnsClientToken(_nextClient++, 0, tcp);
        Assert.True(Resolver.Receive(query, client, Now));
        return client;
    }

    /// <summary>The cluster answers the question for a name, sent earlier; the question is taken.</summary>
    public void Cluster(string question, int rcode, params string[] records)
    {
        var query = ToCluster.Find(sent => Message.Question(sent) == question);
        Assert.True(query is not null, $"{question} was not asked; asked were: {string.Join(", ", ClusterQuestions)}");
        ToCluster.Remove(query);
        Resolver.ReceiveFromCluster(Message.Answer(query, rcode, records), Now);
    }

    public void Local(string question, int rcode, params string[] records)
    {
        var index = ToLocal.FindIndex(sent => Message.Question(sent.Query) == question);
        Assert.True(index >= 0, $"{question} was not asked; asked were: {string.Join(", ", LocalQuestions)}");
        var (server, query, _) = ToLocal[index];
        ToLocal.RemoveAt(index);
        Resolver.ReceiveFromLocal(server, Message.Answer(query, rcode, records), Now);
    }

    public void Advance(long microseconds)
    {
        var end = Now + microseconds;
        while (Resolver.NextDeadline <= end)
        {
            Now = Math.Max(Now, Resolver.NextDeadline);
            Resolver.Poll(Now);
        }
        Now = end;
    }

    public void ExpectNoReply() => Assert.Empty(_replies);

    /// <summary>Takes the oldest reply and checks to whom it goes.</summary>
    public byte[] ExpectReply(DnsClientToken client) => ExpectReply(client, out _);

    public byte[] ExpectReply(DnsClientToken client, out DnsOrigin origin)
    {
        Assert.NotEmpty(_replies);
        var (to, message, from) = _replies[0];
        _replies.RemoveAt(0);
        Assert.Equal(client, to);
        origin = from;
        return message;
    }

    public void ExpectRcode(DnsClientToken client, int rcode) => Assert.Equal(rcode, Message.Rcode(ExpectReply(client)));

    public void ExpectRecords(DnsClientToken client, params string[] records)
    {
        var reply = ExpectReply(client);
        Assert.Equal(0, Message.Rcode(reply));
        Assert.Equal(records, Message.Records(reply));
    }

    public void ExpectNothingAsked()
    {
        Assert.Empty(ClusterQuestions);
        Assert.Empty(LocalQuestions);
    }

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin) =>
        _replies.Add((client, message.ToArray(), origin));

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp)
    {
        LastClusterOverTcp = overTcp;
        ToCluster.Add(query.ToArray());
    }

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp) => ToLocal.Add((server, query.ToArray(), overTcp));
}
