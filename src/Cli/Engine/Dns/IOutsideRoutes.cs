namespace Telepresence.Cli.Engine.Dns;

/// <summary>
/// Routes for addresses that only the cluster's name server knows and that lie outside the networks known to be the cluster's: a cloud
/// database in a private zone, but also a Service of a range that this user may not be told about, or a headless Service whose pods have
/// their node's address. They are made when the name is first looked up.
/// </summary>
internal interface IOutsideRoutes
{
    /// <summary>Whether an answer holds an address that does not yet go into the tunnel.</summary>
    bool NeedsRoutes(ReadOnlySpan<byte> answer);

    /// <summary>Makes them. Never fails: an address that cannot be routed is reported and the answer goes out all the same.</summary>
    Task RouteAsync(byte[] answer);
}
