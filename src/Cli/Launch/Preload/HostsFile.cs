using System.Net;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>The machine's own table of hosts, see hosts(5).</summary>
internal sealed class HostsFile
{
    private readonly List<(IPAddress Address, string[] Names)> _lines = [];

    private HostsFile()
    {
    }

    /// <summary>Reads the file; one that cannot be read is empty.</summary>
    internal static HostsFile Read(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new HostsFile();
        }
    }

    /// <summary>Reads a text; what is no line of a hosts file is skipped.</summary>
    internal static HostsFile Parse(string text)
    {
        HostsFile hosts = new();
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split('#')[0].Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && IPAddress.TryParse(words[0], out IPAddress? address))
                hosts._lines.Add((address, words[1..]));
        }

        return hosts;
    }

    /// <summary>Every address of a name, and the first name beside the first of them; null when the name is not there.</summary>
    internal (string Name, IReadOnlyList<IPAddress> Addresses)? Find(string name)
    {
        string wanted = name.TrimEnd('.');
        List<(IPAddress Address, string[] Names)> found = _lines.FindAll(line => line.Names.Contains(wanted, StringComparer.OrdinalIgnoreCase));
        return found.Count == 0 ? null : (found[0].Names[0], [.. found.Select(static line => line.Address)]);
    }

    /// <summary>The first name of an address, or null.</summary>
    internal string? Find(IPAddress address) => _lines.Find(line => line.Address.Equals(address)).Names?[0];
}
