using System.Buffers.Binary;
using Telepresence.Dns.Cache;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <content>The upstream side: questions that are in flight, their retries, and what comes back.</content>
public sealed partial class Resolver
{
    private const int ClusterUdpSize = 4096;
    private const int MaxUpstreamQuery = Lookup.MaxQuery + DnsName.MaxLength;

    private readonly ExchangeTable _table;
    private readonly Dictionary<int, Exchange> _inFlight;
    private readonly Stack<byte[]> _idleQueries = new();
    private readonly byte[] _random = new byte[256];
    private int _randomUsed = 256;
    private Exchange? _firstPending;
    private Exchange? _lastPending;
    private int _preferredServer;

    /// <summary>Finds the exchange for a step's question or starts it. The step holds it from now on.</summary>
    /// <returns>Null if the place cannot be asked: not reachable, name too long, or too much under way.</returns>
    private Exchange? Ask(LookupStep step, ushort type, long now)
    {
        var lookup = step.Lookup;
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        var nameLength = StepName(step, name);
        if (nameLength == 0) return null;
        name = name[..nameLength];

        Span<byte> keySpace = stackalloc byte[DnsName.MaxLength + 6];
        var key = keySpace[..0];
        if (!lookup.IsPrivate)
        {
            key = keySpace[..WriteKey(lookup, step.Place, name, type, keySpace)];
            if (_table.Find(key) is { } known)
            {
                if (!known.IsDone || now < known.ExpiresAt) return Hold(known, step);
                _table.Forget(known);
            }
        }
        if (step.Place == Place.Cluster ? !_clusterReachable : UsableServer(_preferredServer, asked: 0) < 0) return null;
        var exchange = _table.Add(key);
        if (exchange is null)
        {
            Counters.Overloaded++;
            return null;
        }
        exchange.Query = TakeQueryBuffer();
        exchange.QueryLength = WriteUpstreamQuery(step, name, type, exchange.Query);
        Launch(exchange, step.Place, UsableServer(_preferredServer, asked: 0), now);
        Hold(exchange, step);
        return exchange;
    }

    private Exchange Hold(Exchange exchange, LookupStep step)
    {
        exchange.References++;
        if (exchange.IsDone) _table.Touch(exchange);
        else
        {
            if (exchange.FirstWaiter is not null) Counters.Joined++;
            exchange.AddWaiter(step);
        }
        return exchange;
    }

    /// <summary>Name, type, flags that change the answer, and the place.</summary>
    private static int WriteKey(Lookup lookup, Place place, ReadOnlySpan<byte> name, ushort type, Span<byte> key)
    {
        DnsName.CopyLower(name, key);
        BinaryPrimitives.WriteUInt16BigEndian(key[name.Length..], type);
        var flags = Question(lookup).Header.Flags
            & (DnsHeader.RecursionDesired | DnsHeader.CheckingDisabled | DnsHeader.AuthenticData);
        BinaryPrimitives.WriteUInt16BigEndian(key[(name.Length + 2)..], (ushort)flags);
        key[name.Length + 4] = (byte)((lookup.Edns.IsPresent ? 1 : 0) | (lookup.Edns.WantsDnssec ? 2 : 0));
        key[name.Length + 5] = (byte)place;
        return name.Length + 6;
    }

    /// <summary>The name that a step asks for: the question's or the mapping's, with the step's search suffix.</summary>
    private static int StepName(LookupStep step, Span<byte> name)
    {
        var lookup = step.Lookup;
        var query = Question(lookup);
        ReadOnlySpan<byte> own = lookup.Target;
        if (own.IsEmpty) own = step.Suffix == LookupStep.NoSuffix ? query.Name : lookup.LowerName.AsSpan(0, query.NameLength);
        if (step.Suffix == LookupStep.NoSuffix)
        {
            own.CopyTo(name);
            return own.Length;
        }
        ReadOnlySpan<byte> suffix = lookup.Rules.Search[step.Suffix];
        var length = own.Length - 1 + suffix.Length;
        if (length > DnsName.MaxLength) return 0;
        own[..^1].CopyTo(name);
        suffix.CopyTo(name[(own.Length - 1)..]);
        return length;
    }

    /// <summary>The client's question with another name and type; what stands behind it (OPT) is copied.</summary>
    private static int WriteUpstreamQuery(LookupStep step, ReadOnlySpan<byte> name, ushort type, Span<byte> destination)
    {
        var lookup = step.Lookup;
        var query = Question(lookup);
        query.Message[..DnsHeader.Size].CopyTo(destination);
        name.CopyTo(destination[DnsHeader.Size..]);
        var at = DnsHeader.Size + name.Length;
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], type);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 2)..], query.Class);
        at += 4;
        var tail = query.Message[query.QuestionEnd..];
        tail.CopyTo(destination[at..]);
        if (lookup.Edns.IsPresent && !lookup.Edns.IsSigned)
        {
            // The client's own limit is applied to its reply; upstream everybody who shares the answer asks with the same size.
            var size = step.Place == Place.Cluster ? ClusterUdpSize : DnsReply.AnnouncedUdpSize;
            BinaryPrimitives.WriteUInt16BigEndian(destination[(at + lookup.Edns.Offset - query.QuestionEnd + 3)..], (ushort)size);
        }
        return at + tail.Length;
    }

    private void Launch(Exchange exchange, Place place, int server, long now)
    {
        exchange.Place = place;
        exchange.Server = server;
        exchange.AskedServers = 0;
        exchange.Attempts = 0;
        exchange.OverTcp = false;
        do exchange.Id = NextId();
        while (!_inFlight.TryAdd(FlightKey(place, exchange.Id), exchange));
        DnsHeader.SetId(exchange.Query, exchange.Id);
        Send(exchange, now);
    }

    private void Send(Exchange exchange, long now)
    {
        exchange.Attempts++;
        exchange.Deadline = now + _options.RetryInterval;
        AddPending(exchange);
        var query = exchange.Query.AsSpan(0, exchange.QueryLength);
        if (exchange.Place == Place.Cluster)
        {
            Counters.SentToCluster++;
            _transport.SendToCluster(query, exchange.OverTcp);
        }
        else
        {
            exchange.AskedServers |= 1u << exchange.Server;
            Counters.SentToLocal++;
            _transport.SendToLocal(exchange.Server, query, exchange.OverTcp);
        }
    }

    private void RetryOrGiveUp(Exchange exchange, long now)
    {
        var isLocal = exchange.Place == Place.Local;
        if (isLocal && exchange.Server == _preferredServer && !exchange.OverTcp) _preferredServer = Math.Max(NextServer(_preferredServer, asked: 0), 0);
        var next = isLocal ? NextServer(exchange.Server, asked: 0) : 0;
        if (next < 0 || exchange.IsProbe || exchange.Attempts >= (isLocal ? _options.LocalAttempts : _options.ClusterAttempts))
        {
            GiveUp(exchange, now);
            return;
        }
        RemovePending(exchange);
        exchange.Server = next;
        Send(exchange, now);
    }

    private void GiveUp(Exchange exchange, long now)
    {
        Counters.TimedOut++;
        // A truncated answer is kept aside while TCP is tried: better than nothing, and the client is told by its TC bit.
        Complete(exchange, exchange.MessageLength > 0 ? exchange.Kind : AnswerKind.Failed, ttl: 0, now);
    }

    /// <summary>A message from an upstream: checks that it answers what was asked, then draws the conclusion.</summary>
    private void Answer(Place place, int server, ReadOnlySpan<byte> message, long now)
    {
        if (!DnsQuery.TryParse(message, out var answer) || !answer.Header.IsResponse || answer.Header.Opcode != 0)
        {
            Counters.Malformed++;
            return;
        }
        if (!_inFlight.TryGetValue(FlightKey(place, answer.Header.Id), out var exchange)
            || !DnsQuery.TryParse(exchange.Query.AsSpan(0, exchange.QueryLength), out var query)
            || !answer.SameQuestion(query)
            || (place == Place.Local && (exchange.AskedServers & (1u << server)) == 0))
        {
            Counters.Unexpected++;
            return;
        }
        if (answer.Header.IsTruncated)
        {
            AskOverTcp(exchange, server, answer, now);
            return;
        }
        if (!AnswerReading.TryRead(answer, out var reading))
        {
            Counters.Malformed++;
            return;
        }
        if (reading.Kind == AnswerKind.Failed && place == Place.Local && AskNextServer(exchange, server, now)) return;
        if (!_table.Store(exchange, message))
        {
            Counters.Overloaded++;
            Complete(exchange, AnswerKind.Failed, ttl: 0, now);
            return;
        }
        if (place == Place.Local && exchange.Attempts > 1 && reading.Kind != AnswerKind.Failed) _preferredServer = server;
        Complete(exchange, reading.Kind, reading.Ttl, now);
    }

    private void AskOverTcp(Exchange exchange, int server, in DnsQuery answer, long now)
    {
        if (exchange.OverTcp)
        {
            Counters.Unexpected++;
            return;
        }
        if (AnswerReading.TryRead(answer, out var partial) && _table.Store(exchange, answer.Message)) exchange.Kind = partial.Kind;
        RemovePending(exchange);
        exchange.OverTcp = true;
        exchange.Server = server;
        Send(exchange, now);
    }

    /// <summary>A server answered with an error: goes to one that has not been asked yet.</summary>
    /// <returns>False if there is none: the error is the answer.</returns>
    private bool AskNextServer(Exchange exchange, int server, long now)
    {
        if (exchange.Server != server) return true;
        var next = exchange.IsProbe ? -1 : NextServer(server, exchange.AskedServers);
        if (next < 0) return false;
        RemovePending(exchange);
        exchange.Server = next;
        Send(exchange, now);
        return true;
    }

    private void Complete(Exchange exchange, AnswerKind kind, uint ttl, long now)
    {
        RemovePending(exchange);
        _inFlight.Remove(FlightKey(exchange.Place, exchange.Id));
        _idleQueries.Push(exchange.Query!);
        exchange.Query = null;
        exchange.IsDone = true;
        exchange.Kind = kind;
        exchange.StoredAt = now;
        var limit = kind == AnswerKind.Positive ? _options.MaxPositiveAge : _options.MaxNegativeAge;
        exchange.ExpiresAt = now + Math.Min(ttl * 1_000_000L, limit);

        // Held while the waiters are told: one of them may be the last to let go of it.
        exchange.References++;
        if (exchange.ExpiresAt > now) _table.Touch(exchange);
        else _table.Forget(exchange);
        while (exchange.FirstWaiter is { } step)
        {
            exchange.RemoveWaiter(step);
            Settle(step, now);
            Advance(step.Lookup, now);
        }
        _table.Release(exchange);
    }

    private void SendProbe(Place place, int server, long now)
    {
        var exchange = _table.Add([]);
        if (exchange is null) return;
        exchange.IsProbe = true;
        exchange.Query = TakeQueryBuffer();
        exchange.QueryLength = DnsQuestions.Write(exchange.Query, 0, _probe.NameFor(place, server), DnsType.A);
        Launch(exchange, place, server, now);
    }

    /// <summary>The server itself if it can be asked, else the next that can; -1 if none.</summary>
    private int UsableServer(int server, uint asked) =>
        server < _localServers && ((_loopingServers | asked) & (1u << server)) == 0 ? server : NextServer(server, asked);

    /// <summary>The next server in the circle that does not loop and is not in <paramref name="asked"/>; -1 if none.</summary>
    private int NextServer(int server, uint asked)
    {
        for (var i = 1; i <= _localServers; i++)
        {
            var candidate = (server + i) % _localServers;
            if (((_loopingServers | asked) & (1u << candidate)) == 0) return candidate;
        }
        return -1;
    }

    private static int FlightKey(Place place, ushort id) => ((int)place << 16) | id;

    private byte[] TakeQueryBuffer() => _idleQueries.TryPop(out var buffer) ? buffer : new byte[MaxUpstreamQuery];

    private ushort NextId()
    {
        if (_randomUsed + 2 > _random.Length)
        {
            _options.RandomBytes(_random);
            _randomUsed = 0;
        }
        _randomUsed += 2;
        return BinaryPrimitives.ReadUInt16BigEndian(_random.AsSpan(_randomUsed - 2));
    }

    private void AddPending(Exchange exchange)
    {
        // All have the same interval, so the list stays in order of time by adding at the end.
        exchange.PreviousPending = _lastPending;
        exchange.NextPending = null;
        if (_lastPending is null) _firstPending = exchange;
        else _lastPending.NextPending = exchange;
        _lastPending = exchange;
    }

    private void RemovePending(Exchange exchange)
    {
        if (exchange.PreviousPending is null) _firstPending = exchange.NextPending;
        else exchange.PreviousPending.NextPending = exchange.NextPending;
        if (exchange.NextPending is null) _lastPending = exchange.PreviousPending;
        else exchange.NextPending.PreviousPending = exchange.PreviousPending;
        exchange.PreviousPending = exchange.NextPending = null;
    }

    /// <summary>Makes an exchange due now.</summary>
    private void MoveToHead(Exchange exchange, long now)
    {
        RemovePending(exchange);
        exchange.Deadline = now;
        exchange.NextPending = _firstPending;
        if (_firstPending is null) _lastPending = exchange;
        else _firstPending.PreviousPending = exchange;
        _firstPending = exchange;
    }
}
