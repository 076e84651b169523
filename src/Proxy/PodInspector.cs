using System.Collections;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;

using Telepresence.Tunnel.Forward;

namespace Telepresence.Proxy;

/// <summary>Finds out what the pod is like from the inside, with no more rights than any container has.</summary>
/// <param name="version">The proxy's version.</param>
/// <param name="startedAt">When the proxy started.</param>
/// <param name="nameServers">Where DNS streams go.</param>
internal sealed class PodInspector(string version, DateTimeOffset startedAt, IReadOnlyList<TargetAddress> nameServers)
{
    private const int CapNetBindService = 10;

    // What the image brings along, and what the spec says to the proxy alone.
    private static readonly string[] OwnVariables =
        ["PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "_", ProxySettings.PortVariable, ProxySettings.KeyHashVariable, ProxySettings.SessionTimeoutVariable];

    private static readonly string[] OwnPrefixes = ["DOTNET_", "TELEPRESENCE_IMAGE_"];

    internal PodReport Inspect() => new()
    {
        Version = version,
        PodName = Environment.GetEnvironmentVariable("TELEPRESENCE_POD") ?? Environment.MachineName,
        Hostname = Environment.MachineName,
        StartedAt = startedAt,
        Addresses = [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(AddressesOf)],
        Routes = [.. RouteTable.ParseIPv4(Lines("/proc/net/route")).Concat(RouteTable.ParseIPv6(Lines("/proc/net/ipv6_route"))).Distinct()],
        ResolvConf = File.Exists(NameServers.ResolvConfPath) ? File.ReadAllText(NameServers.ResolvConfPath) : "",
        NameServers = [.. nameServers.Select(static server => server.ToString())],
        Environment = DeclaredEnvironment(Environment.GetEnvironmentVariables()),
        MayPing = DatagramDialer.MayPing(),
        LowestPort = LowestPort(),
        ServesFiles = File.Exists(FilesHost.ServerPath) && FilesHost.IsUserKnown(),
    };

    internal static IReadOnlyDictionary<string, string> DeclaredEnvironment(IDictionary variables) =>
        new SortedDictionary<string, string>(
            variables.Cast<DictionaryEntry>()
                .Select(static entry => ((string)entry.Key, Value: (string?)entry.Value ?? ""))
                .Where(static entry => !OwnVariables.Contains(entry.Item1)
                    && !OwnPrefixes.Any(prefix => entry.Item1.StartsWith(prefix, StringComparison.Ordinal)))
                .ToDictionary(static entry => entry.Item1, static entry => entry.Value),
            StringComparer.Ordinal);

    private static IEnumerable<string> AddressesOf(NetworkInterface device) =>
        from address in device.GetIPProperties().UnicastAddresses
        where !IPAddress.IsLoopback(address.Address) && !address.Address.IsIPv6LinkLocal
        select address.Address.ToString();

    private static int LowestPort()
    {
        string? capabilities = Lines("/proc/self/status").FirstOrDefault(static line => line.StartsWith("CapEff:", StringComparison.Ordinal));
        if (capabilities is not null
            && ulong.TryParse(capabilities["CapEff:".Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong bits)
            && (bits >> CapNetBindService & 1) != 0)
            return 1;
        string? start = Lines("/proc/sys/net/ipv4/ip_unprivileged_port_start").FirstOrDefault();
        return int.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out int port) ? Math.Max(port, 1) : 1024;
    }

    // Kernels without IPv6 do not have all of these files.
    private static string[] Lines(string path) => File.Exists(path) ? File.ReadAllLines(path) : [];
}
