using System.Globalization;
using System.Net;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>The environment variables that put a program behind the shim.</summary>
internal static class PreloadEnvironment
{
    /// <summary>Names the libraries that the loader puts in front of the program's own.</summary>
    internal const string LoaderVariable = "LD_PRELOAD";

    /// <summary>The shim's settings; see native/preload/README.md.</summary>
    internal const string SettingsVariable = "TELEPRESENCE_PRELOAD";

    private const string Version = "1";

    /// <summary>The variables, to be set beside the program's others.</summary>
    /// <param name="library">The shim's path, see <see cref="PreloadLibrary.Place"/>.</param>
    /// <param name="socket">The agent's socket.</param>
    /// <param name="names">The agent's name server.</param>
    /// <param name="nsswitch">The machine's nsswitch.conf.</param>
    /// <param name="inherited">What <see cref="LoaderVariable"/> is already; it is kept, and stays in front.</param>
    internal static IReadOnlyDictionary<string, string> Create(string library, string socket, IPEndPoint names, string nsswitch, string? inherited)
    {
        byte[] address = names.Address.GetAddressBytes();
        string settings = string.Join(
            ';',
            Version,
            string.Create(CultureInfo.InvariantCulture, $"{address[0]}.{address[1]}"),
            names.Address,
            names.Port.ToString(CultureInfo.InvariantCulture),
            HostsLine(nsswitch),
            library,
            socket);
        return new Dictionary<string, string>
        {
            [LoaderVariable] = AddLibrary(inherited, library),
            [SettingsVariable] = settings,
        };
    }

    /// <summary>
    /// In which order glibc shall look host names up: the machine's own files, then DNS, which is the agent; multicast DNS only for what
    /// DNS does not know. Services that would ask around the agent (systemd-resolved, NIS, LDAP) are left out, and so are actions.
    /// </summary>
    internal static string HostsLine(string nsswitch)
    {
        string[] services = ["files"];
        foreach (string line in nsswitch.Split('\n'))
        {
            string content = line.Split('#')[0].Trim();
            if (content.StartsWith("hosts:", StringComparison.Ordinal))
                services = content["hosts:".Length..].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        }

        IEnumerable<string> local = services.Where(static service => service is "myhostname" or "mymachines");
        IEnumerable<string> multicast = services.Where(static service => service.StartsWith("mdns", StringComparison.Ordinal) && service.EndsWith("_minimal", StringComparison.Ordinal));
        return string.Join(' ', ["files", .. local, "dns", .. multicast]);
    }

    private static string AddLibrary(string? inherited, string library)
    {
        if (string.IsNullOrWhiteSpace(inherited))
            return library;
        return inherited.Split((char[])[' ', ':'], StringSplitOptions.RemoveEmptyEntries).Contains(library) ? inherited : $"{inherited}:{library}";
    }
}
