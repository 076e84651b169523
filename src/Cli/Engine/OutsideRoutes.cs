using System.Net;

using Telepresence.Cli.Engine.Dns;
using Telepresence.Dns;

namespace Telepresence.Cli.Engine;

/// <summary>Remembers which addresses go into the tunnel, and has routes made for those that do not.</summary>
/// <param name="routes">Networks that go into the tunnel from the start.</param>
/// <param name="route">Makes routes.</param>
internal sealed class OutsideRoutes(IReadOnlyList<IPNetwork> routes, Func<IReadOnlyList<IPAddress>, Task> route) : IOutsideRoutes
{
    // A name that answers with ever new addresses must not fill the routing table.
    private const int MaxAddresses = 1024;

    private readonly HashSet<IPAddress> _routed = [];
    private readonly List<IPAddress> _scratch = [];

    /// <inheritdoc/>
    public bool NeedsRoutes(ReadOnlySpan<byte> answer)
    {
        _scratch.Clear();
        DnsAnswer.ReadAddresses(answer, _scratch);
        return _routed.Count < MaxAddresses && _scratch.Exists(IsMissing);
    }

    /// <inheritdoc/>
    public Task RouteAsync(byte[] answer)
    {
        _scratch.Clear();
        DnsAnswer.ReadAddresses(answer, _scratch);
        IPAddress[] missing = [.. _scratch.Where(IsMissing).Distinct().Take(MaxAddresses - _routed.Count)];
        _routed.UnionWith(missing);
        return route(missing);
    }

    private bool IsMissing(IPAddress address) =>
        !_routed.Contains(address)
        && !IPAddress.IsLoopback(address)
        && !routes.Any(network => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address));
}
