using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Tests;

/// <summary>
/// Mutated messages from both sides. Whatever comes, no exception leaves the resolver, each question that was accepted gets exactly one
/// well-formed reply within its limit, and nothing stays behind. The iterations are few enough for every test run;
/// TELEPRESENCE_FUZZ_ROUNDS raises them.
/// </summary>
public sealed class FuzzTests : IDnsTransport
{
    private static readonly List<byte[]> Corpus =
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Corpus"), "*.hex").Order().Select(Read)];

    private static readonly List<byte[]> Good =
    [
        .. new[] { "helloworld", "big", "www.example.com", "a.default.svc.cluster.local", "x.other", "y.other.svc" }
            .SelectMany(name => new[] { Message.Query(name), Message.Query(name, "AAAA"), Message.Query(name, "SRV", edns: 1232) }),
    ];

    private readonly List<byte[]> _upstream = [];
    private readonly Dictionary<DnsClientToken, byte[]> _open = [];

    private static int Rounds =>
        int.TryParse(Environment.GetEnvironmentVariable("TELEPRESENCE_FUZZ_ROUNDS"), out var rounds) ? rounds : 3000;

    public static TheoryData<int> Seeds => [1, 2, 3, 4, 5, 6, 7, 8];

    private static byte[] Read(string path) =>
        Convert.FromHexString(string.Concat(File.ReadLines(path).Where(line => !line.StartsWith('#')).Select(line => line.Trim())));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Nothing_malformed_breaks_the_resolver_or_leaves_a_question_without_its_reply(int seed)
    {
        Assert.True(Corpus.Count > 20);
        var mutator = new Mutator(seed, Corpus);
        var rules = Bench.PodRules with { Everything = seed % 2 == 0, ClusterSuffixes = ["example.com"] };
        var options = new ResolverOptions { CacheBytes = 64 << 10, MaxExchanges = 128, MaxLookups = 64, RandomBytes = new Random(seed).NextBytes };
        var resolver = new Resolver(new DnsRules(rules), this, options);
        long now = 0;
        resolver.SetLocalServers(2, now);
        resolver.SetClusterReachable(true, now);
        for (var round = 0; round < Rounds; round++)
        {
            now += mutator.Next(50_000);
            resolver.Poll(now);
            Ask(resolver, mutator, (ulong)round, now);
            while (_upstream.Count > 0 && mutator.Next(3) > 0) AnswerOne(resolver, mutator, now);
            if (mutator.Next(500) == 0) resolver.SetClusterReachable(mutator.Next(2) == 0, now);
        }
        while (resolver.NextDeadline != long.MaxValue)
        {
            now = resolver.NextDeadline;
            resolver.Poll(now);
        }
        Assert.Empty(_open);
        Assert.Equal(0, resolver.Waiting);
        var counters = resolver.Counters;
        Assert.True(counters.Malformed > 0 && counters.CacheHits > 0 && counters.Joined > 0 && counters.Truncated > 0 && counters.CacheHits + counters.SentToCluster > counters.Queries / 4, "the paths were not reached");
    }

    [Fact]
    public void Mutated_streams_never_break_the_framer()
    {
        var mutator = new Mutator(99, Corpus);
        for (var round = 0; round < Rounds; round++)
        {
            var framer = new DnsTcpFramer(600);
            var stream = mutator.Mutate([0, 60, .. mutator.Pick(), 0, 200, .. mutator.Pick()]).AsSpan();
            while (stream.Length > 0 && !framer.IsBroken)
            {
                var free = framer.Free;
                var part = Math.Min(Math.Min(free.Length, stream.Length), mutator.Next(100) + 1);
                Assert.True(part > 0);
                stream[..part].CopyTo(free);
                framer.Advance(part);
                stream = stream[part..];
                while (framer.TryTake(out var message)) Assert.InRange(message.Length, 1, 600);
            }
        }
    }

    private void Ask(Resolver resolver, Mutator mutator, ulong number, long now)
    {
        // Two of three are good, so that the deep paths have something to do.
        var query = mutator.Next(3) > 0 ? Good[mutator.Next(Good.Count)] : mutator.Mutate(mutator.Pick());
        var client = new DnsClientToken(number, 0, mutator.Next(4) == 0);
        _open.Add(client, query);
        if (!resolver.Receive(query, client, now)) Assert.True(_open.Remove(client));
    }

    /// <summary>Mostly a mutated answer under the right identifier and question, so that it is looked at; sometimes anything.</summary>
    private void AnswerOne(Resolver resolver, Mutator mutator, long now)
    {
        var index = mutator.Next(_upstream.Count);
        var query = _upstream[index];
        _upstream.RemoveAt(index);
        var seed = mutator.Pick();
        var message = mutator.Mutate(seed);
        if (mutator.Next(8) > 0 && DnsQuery.TryParse(seed, out var parsed))
        {
            // The seed with the question that was asked; mutated behind it.
            var tail = mutator.Mutate(seed[parsed.QuestionEnd..]);
            var asked = DnsQuery.Parse(query);
            message = [.. query[..2], 0x81, (byte)(0x80 | (seed[3] & 0xF)), .. seed[4..12], .. query[12..asked.QuestionEnd], .. tail];
            if (mutator.Next(20) == 0) message[2] |= 2;
        }
        resolver.ReceiveFromCluster(message, now);
        resolver.ReceiveFromLocal(0, message, now);
        resolver.ReceiveFromLocal(1, message, now);
    }

    void IDnsTransport.Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin)
    {
        Assert.True(_open.Remove(client, out var query), "answered twice, or never asked");
        Assert.True(message.Length >= DnsHeader.Size && new DnsHeader(message).IsResponse);
        Assert.Equal(Message.Id(query), Message.Id(message));
        if (!client.IsTcp) Assert.InRange(message.Length, DnsHeader.Size, 4096);
        if (!DnsQuery.TryParse(message, out var reply)) return;
        var records = new DnsRecordReader(message, reply.QuestionEnd);
        while (records.MoveNext()) Assert.True(DnsName.Skip(message, records.NameOffset) > 0);
        Assert.False(records.IsMalformed);
        Assert.Equal(DnsQuery.Parse(query).Name.ToArray(), reply.Name.ToArray());
    }

    void IDnsTransport.SendToCluster(ReadOnlySpan<byte> query, bool overTcp) => _upstream.Add(query.ToArray());

    void IDnsTransport.SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp) => _upstream.Add(query.ToArray());
}
