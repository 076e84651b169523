using System.Net;
using System.Net.Sockets;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary>
/// Reads the values of <c>--also-proxy</c>, <c>--never-proxy</c> and <c>--dns-suffix</c>: a CIDR, an address, a host name.
/// </summary>
internal static class TargetOption
{
    /// <summary>Sorts values into networks in CIDR form and host names.</summary>
    /// <param name="option">Name of the option, for the message.</param>
    /// <param name="values">What was given.</param>
    /// <exception cref="UserError">One is neither.</exception>
    internal static (IReadOnlyList<string> Networks, IReadOnlyList<string> Hosts) Read(string option, IEnumerable<string> values)
    {
        List<string> networks = [], hosts = [];
        foreach (string value in values)
        {
            if (IPAddress.TryParse(value, out IPAddress? address) && IsPlainAddress(value, address))
                networks.Add(NetworkPlan.Single(address).ToString());
            else if (value.Contains('/', StringComparison.Ordinal))
                networks.Add(ReadNetwork(option, value));
            else if (HostName.IsValid(value) && !IsNumeric(value))
                hosts.Add(value.TrimEnd('.').ToLowerInvariant());
            else
                throw new UserError(ExitCode.BadArguments, $"{option} {value}: neither a network like 10.1.0.0/16, nor an address, nor a host name.");
        }

        return ([.. networks.Distinct()], [.. hosts.Distinct()]);
    }

    /// <summary>Reads a suffix of names, with or without a dot in front.</summary>
    /// <exception cref="UserError">It is none.</exception>
    internal static string ReadSuffix(string option, string value)
    {
        string suffix = value.Trim('.').ToLowerInvariant();
        return HostName.IsValid(suffix) ? suffix : throw new UserError(ExitCode.BadArguments, $"{option} {value}: not a suffix of names like corp.example.com.");
    }

    // Bits behind the prefix are cleared: 10.1.2.3/16 means 10.1.0.0/16.
    private static string ReadNetwork(string option, string value) =>
        value.Split('/') is [string address, string length] && length.All(char.IsAsciiDigit) && IPAddress.TryParse(address, out IPAddress? parsed) && IsPlainAddress(address, parsed)
            && IPNetwork.TryParse(value, out IPNetwork network)
            ? network.ToString()
            : throw new UserError(ExitCode.BadArguments, $"{option} {value}: not a network in CIDR form like 10.1.0.0/16 or fd00:1::/64.");

    // .NET, like inet_aton, takes "10.1" for 10.0.0.1 and "1" for 0.0.0.1; nobody who types that means it.
    private static bool IsPlainAddress(string text, IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? !text.Contains('%', StringComparison.Ordinal) : text.Count(static c => c == '.') == 3;

    private static bool IsNumeric(string text) => text.TrimEnd('.').Split('.')[^1].All(char.IsAsciiDigit);
}
