using System.Net;
using System.Text;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Machine.Resolver;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>
/// What the shim in every program of the tree talks to: tells it the stand-in for a remote address, dials through the session before the
/// program's own connect() goes to the stand-in, and answers questions about names. On the engine's loop throughout.
/// </summary>
internal sealed class PreloadAgent : IEngineService, ITurnHandler, IReadyHandler
{
    private const ushort NamesPort = 53;
    private const int AcceptsPerReady = 64, MaxNoticed = 1000, MaxMessage = 70_000;

    private readonly EngineScope _scope;
    private readonly FileDescriptor _listener;
    private readonly PreloadOptions _options;
    private readonly StandInTable _standIns;
    private readonly PreloadNames _names;
    private readonly SpareDescriptor _spare = new();
    private readonly HashSet<PreloadCall> _calls = [];
    private readonly HashSet<string> _noticed = [];
    private bool _disposed;

    /// <param name="scope">The engine.</param>
    /// <param name="listener">The agent's socket, listening; owned from now on.</param>
    /// <param name="options">What to leave alone, and where the machine keeps names.</param>
    /// <exception cref="UserError">The kernel has no port for the name server.</exception>
    internal PreloadAgent(EngineScope scope, FileDescriptor listener, PreloadOptions options)
    {
        _scope = scope;
        _listener = listener;
        _options = options;
        _standIns = new StandInTable(scope);
        _names = new PreloadNames(scope, options.Hosts);
        TargetAddress first = new(NetAddress.FromIPAddress(NameServers()[0]), NamesPort);
        StandIn names = _standIns.Names(Server, first, scope.Loop.Now)
            ?? throw new UserError(ExitCode.LocalNetwork, "No free loopback port was found for the name server of --method preload.");
        Names = new IPEndPoint(names.Address.ToIPAddress(), names.Port);
        scope.Loop.AddTurnHandler(this);
        scope.Loop.Add(listener.Number, Readiness.Read, this);
    }

    /// <summary>Where programs ask for names.</summary>
    internal IPEndPoint Names { get; }

    /// <inheritdoc/>
    public long NextDeadline => _standIns.NextDeadline;

    /// <summary>What a message is received into: the largest DNS message and more.</summary>
    internal byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(MaxMessage, pinned: true);

    private Engine.Dns.DnsServer Server => _scope.Names ?? throw new InvalidOperationException("The engine has no DNS server before its network is attached.");

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_standIns.NextDeadline <= now)
            _standIns.Poll(now);
    }

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady && !_disposed; i++)
        {
            if (_spare.Accept(_listener, out _) is not { } socket)
                return;
            _calls.Add(new PreloadCall(this, _scope.Loop, socket));
        }
    }

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now)
    {
        // Streams of the session before have been reset, which is told to each program by its own dial, relay or flow.
    }

    /// <summary>Answers a program.</summary>
    internal void Answer(PreloadCall call, in PreloadMessage message, long now)
    {
        switch (message.Question)
        {
            case PreloadQuestion.Tcp or PreloadQuestion.Udp or PreloadQuestion.Other:
                Map(call, message, now);
                break;
            case PreloadQuestion.Real:
                call.Reply(_standIns.At(message.Address) is { } standIn
                    ? PreloadAnswer.Endpoint(standIn.Real.Address, standIn.Real.Port)
                    : PreloadAnswer.Error(Libc.ENOENT));
                break;
            case PreloadQuestion.Claim:
                call.Dial?.Claim(message.Address, message.Port, now);
                break;
            case PreloadQuestion.LookUp:
                _names.LookUp(call, message.Rest, message.Family, now);
                break;
            case PreloadQuestion.Reverse:
                _names.Reverse(call, message.Address.ToIPAddress(), now);
                break;
            case PreloadQuestion.Notice:
                Notice(Encoding.UTF8.GetString(message.Rest), message.Obstacle);
                break;
            case PreloadQuestion.Query:
                _names.Query(call, message.Rest, now);
                break;
        }
    }

    /// <summary>A conversation is over.</summary>
    internal void Ended(PreloadCall call) => _calls.Remove(call);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _scope.Loop.RemoveTurnHandler(this);
        _scope.Loop.Remove(_listener.Number);
        _listener.Dispose();
        _spare.Close();
        foreach (PreloadCall call in _calls.ToArray())
            call.Dispose();
        _standIns.Dispose();
    }

    // Once for each program: a script may start it a thousand times.
    private void Notice(string path, ProgramObstacle obstacle)
    {
        if (obstacle.Sentence(path) is { } sentence && _noticed.Count < MaxNoticed && _noticed.Add(path))
            _options.Notice?.Invoke(sentence);
    }

    private void Map(PreloadCall call, in PreloadMessage message, long now)
    {
        bool isTcp = message.Question == PreloadQuestion.Tcp;
        NetAddress address = message.Address;
        TargetAddress real = new(address, message.Port);
        IPAddress plain = address.ToIPAddress();
        if (message.Question != PreloadQuestion.Other && message.Port == NamesPort && NameServers().Any(server => NetAddress.FromIPAddress(server) == address))
            MapToNames(call, real, isTcp, now);
        else if (IPAddress.IsLoopback(plain) || address.IsUnspecified || plain.IsIPv6LinkLocal || _options.Exceptions.Any(network => network.Contains(plain)))
            call.Reply(PreloadAnswer.Direct);
        else if (message.Question == PreloadQuestion.Other || _scope.Session is not { } session)
            call.Reply(PreloadAnswer.Error(Libc.ENETUNREACH));
        else if (isTcp)
            MapTcp(call, real, session, message.IsNonBlocking, now);
        else
            MapUdp(call, real, message.SenderPort, now);
    }

    private void MapToNames(PreloadCall call, TargetAddress real, bool isTcp, long now)
    {
        if (!Reply(call, _standIns.Names(Server, real, now)) || !isTcp)
            return;
        call.Verdict(PreloadAnswer.Connected);
    }

    private void MapTcp(PreloadCall call, TargetAddress real, MuxSession session, bool isNonBlocking, long now)
    {
        TcpStandIn? standIn = call.Dial is null ? _standIns.Tcp(real, now) : null;
        if (Reply(call, standIn))
            standIn!.Dial(session, call, isNonBlocking, now);
    }

    private void MapUdp(PreloadCall call, TargetAddress real, ushort sender, long now)
    {
        UdpStandIn? standIn = _standIns.Udp(real, now);
        standIn?.Admit(call.User, sender, now);
        Reply(call, standIn);
    }

    private static bool Reply(PreloadCall call, StandIn? standIn)
    {
        call.Reply(standIn is null ? PreloadAnswer.Error(Libc.ENETUNREACH) : PreloadAnswer.Endpoint(standIn.Address, standIn.Port));
        return standIn is not null;
    }

    // Read anew each time: it changes with the network that the laptop is in. See resolv.conf(5) for what an empty one means.
    private IReadOnlyList<IPAddress> NameServers()
    {
        IReadOnlyList<IPAddress> servers = [];
        try
        {
            servers = ResolvConfText.Servers(File.ReadAllText(_options.ResolvConf));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // As if it were empty.
        }

        return servers.Count > 0 ? servers : [IPAddress.Loopback];
    }
}
