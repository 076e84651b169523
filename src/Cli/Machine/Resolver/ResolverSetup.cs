using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>How the machine looks names up, or did before we came.</summary>
/// <param name="Method">For status: <c>systemd-resolved</c>, <c>/etc/resolv.conf</c>, or both with a plus.</param>
/// <param name="Upstreams">The machine's own name servers in order, ours left out.</param>
/// <param name="Search">The machine's own search domains.</param>
/// <param name="Notes">Sentences for the user about what had to be done specially.</param>
public sealed record ResolverSetup(string Method, IReadOnlyList<IPAddress> Upstreams, IReadOnlyList<string> Search, IReadOnlyList<string> Notes);
