using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>What systemd-resolved knows, from <c>resolvectl dns</c> and <c>resolvectl domain</c>.</summary>
/// <remarks>
/// Each prints <c>Global: a b</c> and for each link <c>Link 2 (eth0): a b</c>. A server may carry a port and a TLS name
/// (<c>192.0.2.1:5353#dns.example</c>, <c>[2001:db8::1]:53</c>) and a link-local one its scope.
/// </remarks>
internal sealed class ResolvectlStatus
{
    private readonly List<(string Link, List<string> Servers)> _servers;
    private readonly List<(string Link, List<string> Domains)> _domains;

    /// <param name="dns">Output of <c>resolvectl dns</c>.</param>
    /// <param name="domain">Output of <c>resolvectl domain</c>.</param>
    internal ResolvectlStatus(string dns, string domain)
    {
        _servers = Parse(dns);
        _domains = Parse(domain);
    }

    /// <summary>Asks systemd-resolved; null if it is not there.</summary>
    internal static async Task<ResolvectlStatus?> TryReadAsync(CancellationToken cancellation)
    {
        try
        {
            ToolResult dns = await Tool.TryRunAsync("resolvectl", ["dns"], null, cancellation).ConfigureAwait(false);
            ToolResult domain = await Tool.TryRunAsync("resolvectl", ["domain"], null, cancellation).ConfigureAwait(false);
            return dns.ExitCode == 0 && domain.ExitCode == 0 ? new ResolvectlStatus(dns.Output, domain.Output) : null;
        }
        catch (IOException)
        {
            // Not installed.
            return null;
        }
    }

    /// <summary>Name servers of one link.</summary>
    internal IReadOnlyList<IPAddress> Servers(string link) => [.. _servers.Where(entry => entry.Link == link).SelectMany(static entry => Addresses(entry.Servers))];

    /// <summary>Name servers of the machine and of all links but one, in the order in which they are printed.</summary>
    internal IReadOnlyList<IPAddress> ServersExcept(string link) =>
        [.. _servers.Where(entry => entry.Link != link).SelectMany(static entry => Addresses(entry.Servers)).Distinct()];

    /// <summary>Domains of one link as they are printed: search domains, and routing domains with a tilde.</summary>
    internal IReadOnlyList<string> Domains(string link) => [.. _domains.Where(entry => entry.Link == link).SelectMany(static entry => entry.Domains)];

    /// <summary>Search domains of all links but one.</summary>
    internal IReadOnlyList<string> SearchExcept(string link) =>
        [.. _domains.Where(entry => entry.Link != link).SelectMany(static entry => entry.Domains).Where(static domain => !domain.StartsWith('~')).Distinct()];

    private static List<(string Link, List<string> Values)> Parse(string text)
    {
        List<(string, List<string>)> entries = [];
        foreach (string line in text.Split('\n'))
        {
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            string head = colon < 0 ? line.TrimEnd(':', ' ') : line[..colon];
            string link = head.IndexOf('(') is int open and >= 0 && head.EndsWith(')') ? head[(open + 1)..^1] : head.Trim();
            if (colon >= 0 && (head == "Global" || link != head))
                entries.Add((link, [.. line[(colon + 2)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)]));
            else if (line.StartsWith(' ') && entries.Count > 0)
                entries[^1].Item2.AddRange(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)); // a long list goes on
        }

        return entries;
    }

    private static IEnumerable<IPAddress> Addresses(IEnumerable<string> servers)
    {
        foreach (string server in servers)
        {
            string text = server.Split('#')[0];
            if (text.StartsWith('['))
                text = text[1..].Split(']')[0];
            else if (text.Count(static c => c == ':') == 1)
                text = text.Split(':')[0];
            if (IPAddress.TryParse(text, out IPAddress? address))
                yield return address;
        }
    }
}
