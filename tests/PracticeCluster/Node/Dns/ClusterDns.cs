using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Keeps the cluster's DNS servers, unbound in ordinary pods, at the present set of records.</summary>
/// <remarks>
/// A directory on the node is bound into each pod of the DNS image at <see cref="MountPoint"/>. The server begins with the
/// file of records that lies there, notes that file's version beside its control socket, and from then on is sent the
/// changes over the socket. A server that has restarted shows by its new version file.
/// </remarks>
internal sealed class ClusterDns : IAsyncDisposable
{
    internal const string MountPoint = "/run/practice-dns";
    private const int Kept = 512;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    private readonly string _directory;
    private readonly NodeOptions _options;
    private readonly ConcurrentDictionary<int, HashSet<DnsRecord>> _snapshots = new();
    private readonly Dictionary<string, Replica> _replicas = [];
    private readonly SemaphoreSlim _wake = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private int _version;

    /// <param name="directory">The directory, as this process reaches it.</param>
    internal ClusterDns(string directory, NodeOptions options, IEnumerable<IPAddress> upstreams)
    {
        _directory = directory;
        _options = options;
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "unbound.conf"), Configuration(upstreams));
        _snapshots[0] = [];
        WriteRecords(0, []);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Starts the server in a pod: private copies first, so that version and records belong together.</summary>
    internal static string StartScript => $"""
        cd {MountPoint} || exit 1
        name=$(hostname)
        rm -f "$name.sock" "$name.version"
        cp records.conf "$name.records" || exit 1
        sed "s/@NAME@/$name/" unbound.conf >"$name.conf" || exit 1
        head -n 1 "$name.records" >"$name.version.new" && mv "$name.version.new" "$name.version" || exit 1
        exec unbound -d -c {MountPoint}/"$name.conf"
        """;

    /// <summary>Makes this the truth. Servers follow within milliseconds.</summary>
    internal void Apply(IEnumerable<DnsRecord> records)
    {
        var set = new HashSet<DnsRecord>(records);
        if (_snapshots[_version].SetEquals(set))
            return;
        int version = _version + 1;
        _snapshots[version] = set;
        WriteRecords(version, set);
        _version = version;
        _snapshots.TryRemove(version - Kept, out _);
        _wake.Release();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _wake.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _wake.WaitAsync(LookEvery, _stop.Token);
                foreach (string file in Directory.EnumerateFiles(_directory, "*.version"))
                    await BringUpToDateAsync(file);
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (DirectoryNotFoundException)
        {
            // The node's namespaces have been killed from outside; there is nobody left to serve.
        }
    }

    private async Task BringUpToDateAsync(string versionFile)
    {
        try
        {
            DateTime written = File.GetLastWriteTimeUtc(versionFile);
            if (!_replicas.TryGetValue(versionFile, out Replica? replica) || replica.Written != written)
            {
                string first = await File.ReadAllTextAsync(versionFile, _stop.Token);
                replica = new Replica(written) { Version = int.Parse(first.AsSpan(2).Trim(), CultureInfo.InvariantCulture) };
                _replicas[versionFile] = replica;
            }

            int target = _version;
            if (replica.Version == target)
                return;
            string socket = Path.ChangeExtension(versionFile, ".sock");
            RecordChange? change = _snapshots.TryGetValue(replica.Version, out HashSet<DnsRecord>? old) ? RecordChange.Between(old, _snapshots[target]) : null;
            if (change is { NeedsReload: false })
            {
                foreach ((string command, IReadOnlyList<string> lines) in change.Commands())
                    await SendAsync(socket, command, lines);
            }
            else
            {
                File.Copy(Path.Combine(_directory, "records.conf"), Path.ChangeExtension(versionFile, ".records"), overwrite: true);
                await SendAsync(socket, "reload", []);
            }

            replica.Version = target;
        }
        catch (Exception error) when (error is IOException or SocketException or FormatException)
        {
            // Not listening yet, or gone with its pod: the next look sees which.
        }
    }

    private async Task SendAsync(string path, string command, IReadOnlyList<string> lines)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), _stop.Token);
        var text = new StringBuilder($"UBCT1 {command}\n");
        foreach (string line in lines)
            text.Append(line).Append('\n');
        if (lines.Count > 0)
            text.Append("\u0004\n");
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text.ToString()), _stop.Token);
        using var reader = new StreamReader(stream);
        string answer = await reader.ReadToEndAsync(_stop.Token);
        if (answer.StartsWith("error", StringComparison.Ordinal))
            throw new IOException($"unbound refused {command}: {answer.Trim()}");
    }

    private void WriteRecords(int version, IEnumerable<DnsRecord> records)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {version}\n");
        foreach (DnsRecord record in records)
        {
            if (record.Type == "CNAME")
                text.Append(CultureInfo.InvariantCulture, $"local-zone: \"{record.Owner}\" redirect\n");
            text.Append(CultureInfo.InvariantCulture, $"local-data: '{record}'\n");
        }

        string file = Path.Combine(_directory, "records.conf");
        File.WriteAllText(file + ".new", text.ToString());
        File.Move(file + ".new", file, overwrite: true);
    }

    // Reverse zones are transparent: an address that the cluster does not know is asked of the outside, like
    // "fallthrough in-addr.arpa ip6.arpa" in kubeadm's CoreDNS configuration.
    private string Configuration(IEnumerable<IPAddress> upstreams)
    {
        var zones = new StringBuilder();
        zones.Append(CultureInfo.InvariantCulture, $"  local-zone: \"{_options.ClusterDomain}.\" static\n");
        foreach (IPNetwork network in _options.ServiceNetworks.Concat(_options.PodNetworks))
            zones.Append(CultureInfo.InvariantCulture, $"  local-zone: \"{ReverseName.Of(network)}\" transparent\n");
        // What unbound else answers itself, as names that should not be asked of the Internet.
        foreach (string zone in (string[])["10.in-addr.arpa.", "d.f.ip6.arpa.", "168.192.in-addr.arpa.", "100.51.198.in-addr.arpa.",
            "113.0.203.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "test.", "home.arpa."])
            zones.Append(CultureInfo.InvariantCulture, $"  local-zone: \"{zone}\" nodefault\n");
        return $"""
            server:
              interface: 0.0.0.0@53
              interface: ::0@53
              access-control: 0.0.0.0/0 allow
              access-control: ::/0 allow
              do-daemonize: no
              chroot: ""
              username: ""
              pidfile: ""
              use-syslog: no
              module-config: "iterator"
              num-threads: 1
              rrset-roundrobin: yes
              minimal-responses: yes
              cache-max-ttl: 30
              cache-max-negative-ttl: 5
              edns-buffer-size: 1232
            {zones}
              include: {MountPoint}/@NAME@.records
            remote-control:
              control-enable: yes
              control-interface: {MountPoint}/@NAME@.sock
              control-use-cert: no
            forward-zone:
              name: "."
            {string.Concat(upstreams.Select(address => $"  forward-addr: {address}\n"))}
            """;
    }

    private sealed class Replica(DateTime written)
    {
        internal DateTime Written { get; } = written;

        internal int Version { get; set; }
    }
}
