using System.Security.Cryptography;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>What one end of a session was told, and what its program wants to do when streams arrive.</summary>
internal sealed class SessionEnd : IMuxSessionHandler
{
    internal List<string> Events { get; } = [];

    internal List<RecordingStream> Opened { get; } = [];

    /// <summary>What to do with a stream that the peer opened; the default accepts it.</summary>
    internal Action<RecordingStream, long> OnOpen { get; set; } = (stream, now) => stream.Stream.Accept([], now);

    internal Action<string> LinkDead { get; set; } = _ => { };

    public void OnEstablished(long now) => Events.Add("established");

    public void OnSuspended(string reason, long now) => Events.Add($"suspended: {reason}");

    public void OnResumed(long now) => Events.Add("resumed");

    public void OnEnded(string reason, long now) => Events.Add($"ended: {reason}");

    public void OnStreamOpened(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        var recording = new RecordingStream { Target = target.ToArray() };
        recording.Attach(stream);
        Opened.Add(recording);
        OnOpen(recording, now);
    }

    public void OnLinkDead(string reason, long now)
    {
        Events.Add($"dead: {reason}");
        LinkDead(reason);
    }

    public void OnOutput()
    {
    }
}

/// <summary>Writes down everything that a stream's owner is told.</summary>
internal sealed class RecordingStream : IMuxStreamHandler
{
    internal MuxStream Stream { get; private set; } = null!;

    internal byte[] Target { get; init; } = [];

    internal List<byte> Received { get; } = [];

    internal List<byte[]> Datagrams { get; } = [];

    internal List<string> Events { get; } = [];

    /// <summary>Whether received bytes count as consumed at once.</summary>
    internal bool Consumes { get; set; } = true;

    internal int SpaceOffers { get; private set; }

    internal void Attach(MuxStream stream)
    {
        Stream = stream;
        stream.Handler = this;
    }

    public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now) => Events.Add($"accepted {Convert.ToHexString(info)}");

    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => Events.Add($"refused {code}: {reason}");

    public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        Received.AddRange(bytes);
        if (Consumes)
            stream.Consume(bytes.Length, now);
    }

    public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => Datagrams.Add(datagram.ToArray());

    public void OnEnd(MuxStream stream, long now) => Events.Add("end");

    public void OnReset(MuxStream stream, RefuseCode code, long now) => Events.Add($"reset {code}");

    public void OnSendSpace(MuxStream stream, long now) => SpaceOffers++;
}

/// <summary>A client, a proxy's door and one in-memory link at a time between them, in fake time.</summary>
internal sealed class SessionPair
{
    internal static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private FakeLink? _knocking;

    internal SessionPair(MuxSessionOptions? options = null, MuxSessionOptions? serverOptions = null)
    {
        Options = (options ?? new MuxSessionOptions { Version = "1.2.3" }) with { SessionId = Guid.NewGuid(), Key = Key };
        ServerOptions = serverOptions ?? Options with { Key = default, SessionId = default };
        Client = new MuxSession(SessionRole.Client, Options, ClientPool, ClientEnd, Now);
        ClientEnd.LinkDead = _ => ClientLink = null;
        ServerEnd.LinkDead = _ => ServerLink = null;
        Door = NewDoor();
    }

    internal long Now { get; set; } = 1_000_000;

    internal MuxSessionOptions Options { get; }

    internal MuxSessionOptions ServerOptions { get; }

    internal ChunkPool ClientPool { get; } = new();

    internal ChunkPool ServerPool { get; } = new();

    internal SessionEnd ClientEnd { get; } = new();

    internal SessionEnd ServerEnd { get; } = new();

    internal MuxSession Client { get; }

    /// <summary>The proxy's end of the session.</summary>
    internal MuxSession Server => Door.Sessions.Last();

    internal MuxAcceptor Door { get; set; }

    /// <summary>The link as the client sees it; null when it knows of none.</summary>
    internal FakeLink? ClientLink { get; private set; }

    /// <summary>The link as the proxy's session sees it.</summary>
    internal FakeLink? ServerLink { get; private set; }

    /// <summary>Makes the pipes of the next link.</summary>
    internal Func<FakePipe> NewPipe { get; set; } = () => new FakePipe();

    /// <summary>Most bytes that one read or write moves.</summary>
    internal Func<int> Slice { get; set; } = () => int.MaxValue;

    internal static SessionPair Connected(MuxSessionOptions? options = null)
    {
        var pair = new SessionPair(options);
        pair.Connect();
        pair.Run(100_000);
        Assert.Equal(SessionState.Established, pair.Client.State);
        Assert.Equal(SessionState.Established, pair.Server.State);
        return pair;
    }

    internal MuxAcceptor NewDoor(ReadOnlySpan<byte> key = default) => new(
        ServerOptions,
        SHA256.HashData(key.IsEmpty ? Key : key),
        maxSessions: 4,
        (options, now) => new MuxSession(SessionRole.Server, options, ServerPool, ServerEnd, now));

    /// <summary>Brings a new link up on the client's side; the proxy has not seen it yet.</summary>
    internal void Connect()
    {
        Client.LinkUp(Now);
        _knocking = ClientLink = new FakeLink(NewPipe(), NewPipe());
    }

    /// <summary>Cuts the link; what is on its way is lost. Each side may or may not notice.</summary>
    internal void Cut(bool clientNotices = true, bool serverNotices = true)
    {
        if (ClientLink is { } link)
            link.Broken = true;
        if (ServerLink is { } other)
            other.Broken = true;
        _knocking = null;
        if (clientNotices && ClientLink is not null)
        {
            ClientLink = null;
            Client.LinkDown("cut", Now);
        }

        if (serverNotices && ServerLink is not null)
        {
            ServerLink = null;
            Server.LinkDown("cut", Now);
        }
    }

    /// <summary>Opens a stream from the client and writes down what happens to it.</summary>
    internal RecordingStream Open(StreamKind kind = StreamKind.Tcp, byte[]? target = null) => Open(Client, kind, target);

    internal RecordingStream Open(MuxSession session, StreamKind kind, byte[]? target = null)
    {
        var recording = new RecordingStream { Target = target ?? [] };
        MuxStream? stream = session.Open(kind, target, recording, Now);
        Assert.NotNull(stream);
        recording.Attach(stream);
        return recording;
    }

    /// <summary>Lets <paramref name="duration"/> microseconds pass: everything that can move moves, timers fire.</summary>
    /// <param name="duration">How long.</param>
    /// <param name="each">Called after each step; what the programs at both ends do.</param>
    internal void Run(long duration, Action? each = null)
    {
        long end = Now + duration;
        while (true)
        {
            int moved = 0;
            for (int rounds = 0; rounds < 1000; rounds++)
            {
                int now = Move();
                moved += now;
                each?.Invoke();
                if (now == 0)
                    break;
            }

            long next = Math.Min(Client.NextDeadline, NextArrival());
            foreach (MuxSession session in Door.Sessions)
                next = Math.Min(next, session.NextDeadline);
            if (next > end)
                break;
            Now = Math.Max(Now, next);
            Poll();
        }

        Now = end;
    }

    internal void Poll()
    {
        Client.Poll(Now);
        foreach (MuxSession session in Door.Sessions)
            session.Poll(Now);
    }

    /// <summary>One write and one read on each side, as far as they go now.</summary>
    /// <returns>Bytes moved.</returns>
    internal int Move() => ClientWrites() + ServerReads() + ServerWrites() + ClientReads();

    private int ClientWrites()
    {
        if (ClientLink is not { } link || !Client.HasOutput)
            return 0;
        int moved = Wire.Send(Client, link.Up, Math.Min(Slice(), link.Up.Room), Now);
        if (link.Broken)
            link.Up.Take(int.MaxValue, long.MaxValue);
        return moved;
    }

    private int ServerWrites()
    {
        if (ServerLink is not { } link || !Server.HasOutput)
            return 0;
        int moved = Wire.Send(Server, link.Down, Math.Min(Slice(), link.Down.Room), Now);
        if (link.Broken)
            link.Down.Take(int.MaxValue, long.MaxValue);
        return moved;
    }

    private int ServerReads()
    {
        if ((_knocking ?? ServerLink) is not { Broken: false } link)
            return 0;
        ReadOnlySpan<byte> bytes = link.Up.Take(Slice(), Now);
        if (link != _knocking)
        {
            Server.Receive(bytes, Now);
            return bytes.Length;
        }

        link.Knocking.AddRange(bytes);
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        byte[] first = [.. link.Knocking];
        LinkAdmission admission = Door.Admit(first, refusal, Now);
        if (admission.Outcome == HelloParse.NeedMore)
            return bytes.Length;
        _knocking = null;
        if (admission.Outcome == HelloParse.Bad)
        {
            link.Down.Put(refusal[..admission.RefusalLength], Now);
            return bytes.Length + 1;
        }

        ServerLink = link;
        admission.Session!.Receive(first.AsSpan(admission.Consumed), Now);
        return bytes.Length + 1;
    }

    private int ClientReads()
    {
        if (ClientLink is not { Broken: false } link)
            return 0;
        ReadOnlySpan<byte> bytes = link.Down.Take(Slice(), Now);
        Client.Receive(bytes, Now);
        return bytes.Length;
    }

    private long NextArrival()
    {
        long next = long.MaxValue;
        if ((_knocking ?? ServerLink) is { Broken: false } up)
            next = Math.Min(next, up.Up.NextArrival);
        if (ClientLink is { Broken: false } down)
            next = Math.Min(next, down.Down.NextArrival);
        return next;
    }
}
