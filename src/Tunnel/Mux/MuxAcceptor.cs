using System.Globalization;
using System.Security.Cryptography;

namespace Telepresence.Tunnel.Mux;

/// <summary>What <see cref="MuxAcceptor.Admit"/> decided about a new link.</summary>
/// <param name="Outcome">NeedMore: read on. Ok: the link belongs to <paramref name="Session"/>. Bad: send the refusal, close the link.</param>
/// <param name="Session">The session that took the link.</param>
/// <param name="Consumed">How many of the first bytes were the hello; the rest goes to <see cref="MuxSession.Receive"/>.</param>
/// <param name="RefusalLength">How many bytes of refusal were written.</param>
/// <param name="Refusal">Why not.</param>
/// <param name="Reason">Why not, for the log.</param>
public readonly record struct LinkAdmission(
    HelloParse Outcome,
    MuxSession? Session = null,
    int Consumed = 0,
    int RefusalLength = 0,
    HelloRefusal Refusal = HelloRefusal.None,
    string? Reason = null);

/// <summary>
/// The proxy's door: reads the hello of each new link, checks version and key, and gives the link to the session that it belongs to,
/// new or waiting. No I/O inside.
/// </summary>
/// <remarks>
/// A door that was given no key's hash, because nobody made this pod for one client, takes the key of the first client and keeps to it
/// for as long as a session of that client has a link. A client with another key comes in when none has, and ends what the first one left.
/// The door is on the pod's loopback: whoever reaches it may forward ports to this pod, or is a program of the pod itself, and is as good a
/// first client as any other. That holds for a network of the pod's own, not for its node's.
/// </remarks>
public sealed class MuxAcceptor
{
    /// <summary>Most bytes of a refusal.</summary>
    public const int MaxRefusalSize = Welcome.MaxSize;

    private readonly MuxSessionOptions _options;
    private readonly bool _takesFirstKey;
    private readonly int _maxSessions;
    private readonly Func<MuxSessionOptions, long, MuxSession> _create;
    private readonly Dictionary<Guid, MuxSession> _sessions = [];
    private byte[]? _keyHash;

    /// <summary>Makes a door without sessions.</summary>
    /// <param name="options">Settings of the sessions to come; the session id is filled in.</param>
    /// <param name="keyHash">SHA-256 of the session key, 32 bytes; empty to take the first client's.</param>
    /// <param name="maxSessions">How many sessions may live at once.</param>
    /// <param name="create">Makes the server's end of a session for the given options and time.</param>
    public MuxAcceptor(MuxSessionOptions options, ReadOnlySpan<byte> keyHash, int maxSessions, Func<MuxSessionOptions, long, MuxSession> create)
    {
        if (keyHash.Length != SHA256.HashSizeInBytes && !keyHash.IsEmpty)
            throw new ArgumentException("The key's hash must be a SHA-256, 32 bytes, or empty.", nameof(keyHash));
        _options = options;
        _takesFirstKey = keyHash.IsEmpty;
        _keyHash = keyHash.IsEmpty ? null : keyHash.ToArray();
        _maxSessions = maxSessions;
        _create = create;
    }

    /// <summary>The sessions, ended ones too until the next <see cref="Admit"/>.</summary>
    public IReadOnlyCollection<MuxSession> Sessions => _sessions.Values;

    /// <summary>Judges the first bytes of a link. When it is taken, the session has been told: attach the link to it, hand it the
    /// bytes behind the hello, then write what it has to say.</summary>
    /// <param name="bytes">Everything that the link delivered so far; a hello has at most <see cref="Hello.MaxSize"/> bytes.</param>
    /// <param name="refusal">Room for a refusal, <see cref="MaxRefusalSize"/> bytes.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    public LinkAdmission Admit(ReadOnlySpan<byte> bytes, Span<byte> refusal, long now)
    {
        switch (Hello.TryParse(bytes, out Hello hello, out int consumed))
        {
            case HelloParse.NeedMore:
                return new LinkAdmission(HelloParse.NeedMore);
            case HelloParse.Bad:
                return Refuse(refusal, HelloRefusal.NotAHello, "this port speaks only to a Telepresence client");
        }

        if (!hello.IsKnownFormat || hello.Version != _options.Version)
            return Refuse(refusal, HelloRefusal.WrongVersion, WrongVersion(hello.Version, _options.Version));
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(hello.Key, hash);
        bool known = _keyHash is not null && CryptographicOperations.FixedTimeEquals(hash, _keyHash);
        if (!known && _takesFirstKey && !HasLink)
        {
            // Looked at first: a hello that cannot be taken must not cost another client its sessions.
            if (hello.Resuming || hello.Received != 0)
                return Refuse(refusal, HelloRefusal.UnknownSession, Lost);
            Adopt(hash, now);
            known = true;
        }

        if (!known)
            return Refuse(refusal, HelloRefusal.BadKey, _takesFirstKey ? InUse : "wrong session key: this proxy was started by another client; quit and connect again");

        ForgetEnded();
        if (!_sessions.TryGetValue(hello.SessionId, out MuxSession? session))
        {
            if (hello.Resuming)
                return Refuse(refusal, HelloRefusal.UnknownSession, Lost);
            if (_sessions.Count >= _maxSessions)
            {
                string reason = string.Create(
                    CultureInfo.InvariantCulture, $"the proxy serves {_maxSessions} sessions already; quit one of them or wait until it times out");
                return Refuse(refusal, HelloRefusal.TooManySessions, reason);
            }

            session = _create(_options with { SessionId = hello.SessionId }, now);
            _sessions.Add(hello.SessionId, session);
        }

        return session.AcceptLink(hello, now) switch
        {
            HelloRefusal.None => new LinkAdmission(HelloParse.Ok, session, consumed),
            HelloRefusal code => Refuse(refusal, code, "session lost: client and proxy disagree about what was sent; quit and connect again"),
        };
    }

    private const string InUse = "wrong session key: another client uses this proxy at present; wait until it has ended",
        Lost = "session lost: the proxy was restarted or waited too long; quit and connect again";

    internal static string WrongVersion(string client, string proxy) =>
        $"wrong version: client {client}, proxy {proxy}; use the same version of both";

    private LinkAdmission Refuse(Span<byte> refusal, HelloRefusal code, string reason) =>
        new(HelloParse.Bad, null, 0, Welcome.WriteRefusal(refusal, _options.Version, code, reason), code, reason);

    private bool HasLink => _sessions.Values.Any(static session => session.IsLinkUp && session.State != SessionState.Ended);

    // The sessions that another client left without a link wait for nobody any more.
    private void Adopt(ReadOnlySpan<byte> hash, long now)
    {
        foreach (MuxSession session in _sessions.Values)
            session.End("another client uses this proxy now", now);
        _keyHash = hash.ToArray();
    }

    private void ForgetEnded()
    {
        foreach ((Guid id, MuxSession session) in _sessions)
        {
            if (session.State == SessionState.Ended)
                _sessions.Remove(id);
        }
    }
}
