using System.Net;

using Telepresence.Cli.Launch.Volumes;
using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Makes programs in this mount namespace look names up where they should: resolv.conf and nsswitch.conf are covered by others, and the
/// sockets of the machine's resolver daemons are out of sight.
/// </summary>
/// <remarks>
/// systemd-resolved can still be asked over D-Bus. No library does that by itself: nss-resolve goes by nsswitch.conf and a socket, both
/// covered here. The bus is left where it is, because desktop programs need it for much else.
/// </remarks>
internal static class NamespaceNames
{
    private const string ResolvConf = "/etc/resolv.conf", Nsswitch = "/etc/nsswitch.conf";

    // What nss-resolve asks; it also holds the files to which resolv.conf is often a link.
    private const string ResolvedDirectory = "/run/systemd/resolve";

    // glibc asks nscd for host names before it reads either file, if there is one.
    private static readonly string[] CacheDirectories = ["/run/nscd", "/var/run/nscd"];

    private const int ENOENT = 2;
    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Makes the mounts.</summary>
    /// <param name="servers">Our name servers.</param>
    /// <param name="search">Search list.</param>
    /// <param name="options">Options.</param>
    /// <param name="notes">Gets a sentence for what could not be done and does not stand in the way.</param>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static void Apply(IReadOnlyList<IPAddress> servers, IReadOnlyList<string> search, IReadOnlyList<string> options, List<string> notes)
    {
        string resolvConf = Text(servers, search, options);
        foreach (string directory in CacheDirectories)
        {
            if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
                MountCalls.Tmpfs(directory);
        }

        if (Directory.Exists(ResolvedDirectory))
        {
            MountCalls.Tmpfs(ResolvedDirectory);
            Write(Path.Combine(ResolvedDirectory, "resolv.conf"), resolvConf);
            Write(Path.Combine(ResolvedDirectory, "stub-resolv.conf"), resolvConf);
        }

        string? nsswitch = File.Exists(Nsswitch) ? NamespaceNsswitch.Change(File.ReadAllText(Nsswitch)) : null;
        Workshop.With(workshop =>
        {
            string ours = Path.Combine(workshop, "resolv.conf");
            Write(ours, resolvConf);
            try
            {
                // Follows links; what a link leads to may be missing as the file may.
                MountCalls.Bind(ours, ResolvConf);
            }
            catch (IOException fault) when (fault.HResult == ENOENT)
            {
                AddToEtc(workshop, resolvConf, notes);
            }

            if (nsswitch is not null)
            {
                Write(Path.Combine(workshop, "nsswitch.conf"), nsswitch);
                MountCalls.Bind(Path.Combine(workshop, "nsswitch.conf"), Nsswitch);
            }
        });
    }

    /// <summary>The text of resolv.conf.</summary>
    internal static string Text(IReadOnlyList<IPAddress> servers, IReadOnlyList<string> search, IReadOnlyList<string> options)
    {
        List<string> lines = [.. servers.Select(static server => $"nameserver {server}")];
        if (search.Count > 0)
            lines.Add($"search {string.Join(' ', search)}");
        if (options.Count > 0)
            lines.Add($"options {string.Join(' ', options)}");
        return string.Join('\n', lines) + "\n";
    }

    // /etc of an ordinary machine is not ours to write, in the namespace no more than outside: the file is laid over it.
    private static void AddToEtc(string workshop, string resolvConf, List<string> notes)
    {
        try
        {
            if (MountTable.HasMountsBelow("/etc/"))
                throw new IOException("other file systems are mounted in /etc");
            string upper = Directory.CreateDirectory(Path.Combine(workshop, "etc")).FullName;
            Write(Path.Combine(upper, "resolv.conf"), resolvConf);
            MountCalls.Overlay(upper, "/etc");
        }
        catch (IOException fault)
        {
            notes.Add($"This machine has no {ResolvConf} and it cannot be laid over /etc ({fault.Message}), so programs find no names; make an empty file there.");
        }
    }

    private static void Write(string path, string text)
    {
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, Readable);
    }
}

/// <summary>The hosts line of nsswitch.conf without the services that know nothing of the cluster but would answer for it.</summary>
internal static class NamespaceNsswitch
{
    /// <summary>The changed text, or null if it is right as it is.</summary>
    internal static string? Change(string original)
    {
        string[] lines = original.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string content = lines[i].Split('#')[0];
            if (!content.TrimStart().StartsWith("hosts:", StringComparison.Ordinal))
                continue;
            string[] words = content.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            List<string> kept = [];
            bool skipping = false;
            foreach (string word in words)
            {
                // What stands in brackets belongs to the service before it.
                bool action = word.StartsWith('[') || word.EndsWith(']') || word.Contains('=', StringComparison.Ordinal);
                skipping = action ? skipping : word is "resolve" || word.StartsWith("mdns", StringComparison.Ordinal);
                if (!skipping)
                    kept.Add(word);
            }

            if (!kept.Contains("dns"))
                kept.Add("dns");
            if (kept.SequenceEqual(words))
                return null;
            lines[i] = string.Join(' ', kept);
            return string.Join('\n', lines);
        }

        return null;
    }
}
