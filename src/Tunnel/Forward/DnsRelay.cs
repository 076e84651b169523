using System.Buffers.Binary;
using System.Security.Cryptography;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Serves streams of kind <see cref="StreamKind.Dns"/>: sends each datagram, a raw DNS message, to the pod's name servers and the answer
/// back. Of a message it reads and changes only the header (RFC 1035 §4.1.1).
/// </summary>
/// <remarks>
/// <para><b>Theory of operation.</b> A query gets an id of our own, chosen at random among the free ones, and goes out over a connected
/// UDP socket, so that only its name server can answer. A name server that refuses, fails (SERVFAIL, REFUSED, NOTIMP) or is silent for
/// <see cref="Settings.AttemptTimeout"/> is followed by the next; after <see cref="Settings.Rounds"/> rounds the asker gets SERVFAIL, or
/// the best answer there was. A truncated answer is asked for again over TCP, so the asker always gets whole ones.</para>
/// <para>Sockets are replaced now and then (<see cref="DnsSocket"/>), so that the source port cannot be learned and a connection-tracking
/// entry of a dead name server behind a Service does not hold on to us for ever.</para>
/// </remarks>
public sealed class DnsRelay : ITurnHandler
{
    internal const int HeaderLength = 12;
    private const int MaxMessage = 65_535;

    private readonly EventLoop _loop;
    private readonly IReadOnlyList<TargetAddress> _nameServers;
    private readonly Settings _settings;
    private readonly DnsSocket?[] _sockets;
    private readonly DnsStream _asker;
    private readonly Dictionary<ushort, DnsQuery> _byId = [];

    // Every attempt takes equally long, so the oldest is always first.
    private readonly LinkedList<DnsQuery> _byAge = [];

    /// <summary>Makes a relay and adds it to the loop. On the loop's thread.</summary>
    /// <param name="loop">Whose thread this is.</param>
    /// <param name="nameServers">Where to ask, in order; at least one, by address.</param>
    /// <param name="settings">Limits.</param>
    public DnsRelay(EventLoop loop, IReadOnlyList<TargetAddress> nameServers, Settings settings)
    {
        ArgumentOutOfRangeException.ThrowIfZero(nameServers.Count);
        _loop = loop;
        _nameServers = nameServers;
        _settings = settings;
        _sockets = new DnsSocket?[nameServers.Count];
        _asker = new DnsStream(this);
        loop.AddTurnHandler(this);
    }

    /// <summary>Queries without an answer yet.</summary>
    public int Outstanding => _byId.Count;

    /// <summary>What has been counted.</summary>
    public Tally Counters { get; } = new();

    /// <inheritdoc/>
    public long NextDeadline => _byAge.First?.Value.Deadline ?? long.MaxValue;

    internal byte[] Buffer { get; } = new byte[MaxMessage];

    internal EventLoop Loop => _loop;

    /// <summary>Serves <paramref name="stream"/>, which the peer has just opened. It has no target.</summary>
    public void Serve(MuxStream stream, long now)
    {
        stream.Handler = _asker;
        stream.Accept(default, now);
    }

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        while (_byAge.First is { } oldest && oldest.Value.Deadline <= now)
        {
            Counters.TimedOut++;
            TryNext(oldest.Value, now);
        }
    }

    internal void Ask(MuxStream stream, ReadOnlySpan<byte> message, long now)
    {
        Counters.Queries++;
        if (message.Length < HeaderLength || DnsHeader.IsResponse(message))
        {
            Counters.Malformed++;
            return;
        }

        if (_byId.Count >= _settings.MaxOutstanding)
        {
            Counters.OverLimit++;
            Fail(stream, message, DnsHeader.Id(message), now);
            return;
        }

        DnsQuery query = new(stream, message.ToArray());
        query.Node = _byAge.AddLast(query);
        Send(query, now);
    }

    /// <summary>An answer came over UDP.</summary>
    internal void OnAnswer(DnsSocket socket, Span<byte> message, long now)
    {
        if (message.Length < HeaderLength || !DnsHeader.IsResponse(message)
            || !_byId.TryGetValue(DnsHeader.Id(message), out DnsQuery? query)
            || query.Socket != socket || query.Exchange is not null)
        {
            Counters.Stray++;
            return;
        }

        if (DnsHeader.IsTruncated(message))
        {
            query.Best = message.ToArray();
            query.Exchange = DnsTcpExchange.Start(this, query, _nameServers[query.Attempt % _nameServers.Count]);
            if (query.Exchange is null)
                TryNext(query, now);
        }
        else if (DnsHeader.IsFailure(message))
        {
            query.Best ??= message.ToArray();
            TryNext(query, now);
        }
        else
        {
            Answer(query, message, now);
        }
    }

    /// <summary>An answer came over TCP, or (empty) did not.</summary>
    internal void OnAnswer(DnsQuery query, Span<byte> message, long now)
    {
        if (message.Length >= HeaderLength && DnsHeader.IsResponse(message) && DnsHeader.Id(message) == query.Id)
            Answer(query, message, now);
        else
            TryNext(query, now);
    }

    /// <summary>A name server cannot be reached: whoever waits for it over this socket asks the next one.</summary>
    internal void OnUnreachable(DnsSocket socket, long now)
    {
        DropSocket(socket);
        foreach (DnsQuery query in _byId.Values.Where(query => query.Socket == socket && query.Exchange is null).ToArray())
            TryNext(query, now);
    }

    private void Send(DnsQuery query, long now)
    {
        query.Deadline = now + _settings.AttemptTimeout;
        if (query.Node!.List is { } list)
        {
            list.Remove(query.Node);
            list.AddLast(query.Node);
        }

        if (query.Attempt > 0)
            _byId.Remove(query.Id);
        query.Id = FreeId();
        _byId.Add(query.Id, query);
        DnsHeader.SetId(query.Message, query.Id);
        int index = query.Attempt % _nameServers.Count;
        DnsSocket? socket = _sockets[index];
        if (socket is null || socket.IsWorn(now))
        {
            socket?.Retire();
            socket = _sockets[index] = DnsSocket.Open(this, _nameServers[index], now);
        }

        query.TakeSocket(socket);
        if (socket is null || !socket.Send(query.Message))
            TryNext(query, now);
    }

    private void TryNext(DnsQuery query, long now)
    {
        query.Exchange?.Close();
        query.Exchange = null;
        query.Attempt++;
        if (query.Attempt < _settings.Rounds * _nameServers.Count && !query.Stream.IsClosed)
        {
            Counters.Retries++;
            Send(query, now);
            return;
        }

        Forget(query);
        if (query.Best is not null)
        {
            DnsHeader.SetId(query.Best, query.AskersId);
            query.Stream.WriteDatagram(query.Best, now);
        }
        else
        {
            Counters.Failed++;
            Fail(query.Stream, query.Message, query.AskersId, now);
        }
    }

    private void Answer(DnsQuery query, Span<byte> message, long now)
    {
        Forget(query);
        Counters.Answers++;
        DnsHeader.SetId(message, query.AskersId);
        query.Stream.WriteDatagram(message, now);
    }

    private void Forget(DnsQuery query)
    {
        _byId.Remove(query.Id);
        _byAge.Remove(query.Node!);
        query.TakeSocket(null);
        query.Exchange?.Close();
        query.Exchange = null;
    }

    private void DropSocket(DnsSocket socket)
    {
        int index = Array.IndexOf(_sockets, socket);
        if (index >= 0)
            _sockets[index] = null;
        socket.Retire();
    }

    private static void Fail(MuxStream stream, ReadOnlySpan<byte> query, ushort id, long now)
    {
        byte[] failure = DnsHeader.ServerFailure(query);
        DnsHeader.SetId(failure, id);
        stream.WriteDatagram(failure, now);
    }

    private ushort FreeId()
    {
        Span<byte> random = stackalloc byte[2];
        ushort id;
        do
        {
            RandomNumberGenerator.Fill(random);
            id = BinaryPrimitives.ReadUInt16BigEndian(random);
        }
        while (_byId.ContainsKey(id));
        return id;
    }

    /// <summary>Limits of a relay; times in microseconds.</summary>
    public sealed record Settings
    {
        /// <summary>How long one name server may take for one answer, TCP included.</summary>
        public long AttemptTimeout { get; init; } = 2_000_000;

        /// <summary>How many times each name server is asked.</summary>
        public int Rounds { get; init; } = 2;

        /// <summary>How many queries may be without an answer at once; at most 32,768.</summary>
        public int MaxOutstanding { get; init; } = 4096;
    }

    /// <summary>What a relay has counted.</summary>
    public sealed class Tally
    {
        /// <summary>Messages that came from askers.</summary>
        public long Queries { get; internal set; }

        /// <summary>Answers passed on.</summary>
        public long Answers { get; internal set; }

        /// <summary>Messages from askers that are not queries.</summary>
        public long Malformed { get; internal set; }

        /// <summary>Queries refused because too many were outstanding.</summary>
        public long OverLimit { get; internal set; }

        /// <summary>Attempts that ran out of time.</summary>
        public long TimedOut { get; internal set; }

        /// <summary>Second and further attempts.</summary>
        public long Retries { get; internal set; }

        /// <summary>Queries that no name server answered.</summary>
        public long Failed { get; internal set; }

        /// <summary>Messages from name servers that answer nothing.</summary>
        public long Stray { get; internal set; }
    }

    private sealed class DnsStream(DnsRelay relay) : IMuxStreamHandler
    {
        public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => relay.Ask(stream, datagram, now);

        public void OnEnd(MuxStream stream, long now) => stream.WriteEnd(now);

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
            // Its queries notice when they are answered; a closed stream takes no datagram.
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) =>
            throw new InvalidOperationException("Only the side that was asked refuses a stream.");
    }
}
