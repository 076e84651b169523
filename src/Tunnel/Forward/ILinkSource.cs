namespace Telepresence.Tunnel.Forward;

/// <summary>Makes links to the peer, one after another: a port-forward, a TCP or Unix socket.</summary>
public interface ILinkSource
{
    /// <summary>Connects.</summary>
    /// <returns>A link that the caller owns.</returns>
    /// <exception cref="IOException">Not now; the caller tries again.</exception>
    /// <exception cref="SessionLostException">Never again: what held the session's other end is gone.</exception>
    Task<Link> ConnectAsync(CancellationToken cancellation);
}

/// <summary>The other end of the session is gone for good; the message says what happened, for people.</summary>
public sealed class SessionLostException : Exception
{
    /// <summary>Says what happened.</summary>
    public SessionLostException(string message)
        : base(message)
    {
    }

    /// <summary>Says what happened and why.</summary>
    public SessionLostException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
