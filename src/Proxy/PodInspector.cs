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

    // What the spec says to the proxy alone.
    private static readonly string[] Settings =
        [ProxySettings.PortVariable, ProxySettings.KeyHashVariable, ProxySettings.SessionTimeoutVariable, ProxySettings.RestoreVariable];

    /// <summary>What the image sets, word for word (scripts/image, Dockerfile). Another value of the same name is the spec's.</summary>
    internal static readonly IReadOnlyDictionary<string, string> ImageVariables = new Dictionary<string, string>
    {
        ["PATH"] = "/opt/telepresence",
    };

    // What container runtimes set, where the spec does not.
    private static readonly string[] RuntimeHomes = ["/", "/root", "/home/telepresence"];

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
        Environment = Variables(Environment.GetEnvironmentVariables(), ofImage: false),
        ImageEnvironment = Variables(Environment.GetEnvironmentVariables(), ofImage: true),
        MayPing = DatagramDialer.MayPing(),
        LowestPort = LowestPort(),
        ServesFiles = File.Exists(FilesHost.ServerPath),
    };

    /// <summary>The variables that may be the image's, or those that are the spec's for certain; never the proxy's own settings.</summary>
    internal static IReadOnlyDictionary<string, string> Variables(IDictionary variables, bool ofImage) =>
        new SortedDictionary<string, string>(
            variables.Cast<DictionaryEntry>()
                .Select(static entry => ((string)entry.Key, Value: (string?)entry.Value ?? ""))
                .Where(entry => !Settings.Contains(entry.Item1) && IsOfImage(entry.Item1, entry.Value) == ofImage)
                .ToDictionary(static entry => entry.Item1, static entry => entry.Value),
            StringComparer.Ordinal);

    private static bool IsOfImage(string name, string value) => name switch
    {
        "HOSTNAME" => value == Environment.MachineName,
        "HOME" => RuntimeHomes.Contains(value),
        "PWD" or "SHLVL" or "_" => true,
        "TERM" => value == "xterm",
        _ => ImageVariables.GetValueOrDefault(name) == value,
    };

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
