namespace Telepresence.Dns;

/// <summary>
/// What the resolver sends. The caller implements it with its sockets and streams. Spans are valid during the call only, and no method
/// may call back into the resolver. A message that cannot be sent is simply dropped: the resolver retries by itself.
/// </summary>
public interface IDnsTransport
{
    /// <summary>Answers a client; called exactly once for each question for which <see cref="Resolver.Receive"/> returned true.</summary>
    /// <param name="client">The token that came with the question.</param>
    /// <param name="message">The whole DNS message, without TCP length prefix; for UDP it already fits the client's limit.</param>
    /// <param name="origin">Where the answer comes from.</param>
    void Reply(in DnsClientToken client, ReadOnlySpan<byte> message, DnsOrigin origin);

    /// <summary>Sends a question to the cluster's name server through the tunnel.</summary>
    /// <param name="query">The whole DNS message; its first two bytes are the identifier that the answer must carry.</param>
    /// <param name="overTcp">The UDP answer was truncated: ask over TCP. A relay that does so by itself may ignore this.</param>
    void SendToCluster(ReadOnlySpan<byte> query, bool overTcp);

    /// <summary>
    /// Sends a question to one of the machine's own name servers. For UDP use a socket connected to that server, so that nobody else's
    /// datagrams arrive on it.
    /// </summary>
    /// <param name="server">Index of the server, 0 up to the count given to <see cref="Resolver.SetLocalServers"/>.</param>
    /// <param name="query">The whole DNS message; its first two bytes are the identifier that the answer must carry.</param>
    /// <param name="overTcp">The UDP answer was truncated: ask over TCP.</param>
    void SendToLocal(int server, ReadOnlySpan<byte> query, bool overTcp);
}
