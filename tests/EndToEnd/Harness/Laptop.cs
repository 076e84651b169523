using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.EndToEnd.Harness;

/// <summary>A developer's machine in namespaces of its own, with a home directory of its own, on which the real program runs as root.</summary>
internal sealed class Laptop : IAsyncDisposable
{
    private const string Killed = "2";
    private static readonly TimeSpan CommandLimit = TimeSpan.FromSeconds(90);
    private readonly LaptopNamespaces _namespaces;
    private readonly string _home, _kubeconfig;
    private bool _disposed;

    private Laptop(LaptopNamespaces namespaces, string home, string kubeconfig)
    {
        _namespaces = namespaces;
        _home = home;
        _kubeconfig = kubeconfig;
        ResetEnvironment();
    }

    /// <summary>What commands find in their environment.</summary>
    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    /// <summary>Home directory; logs are below it.</summary>
    public string Home => _home;

    /// <summary>The environment and the kubeconfig as on a new laptop.</summary>
    public void ResetEnvironment()
    {
        string own = Path.Combine(_home, "kubeconfig");
        File.Copy(_kubeconfig, own, overwrite: true);
        Environment.Clear();
        foreach ((string name, string value) in new Dictionary<string, string>
        {
            ["PATH"] = $"{Path.GetDirectoryName(PracticeClusterFixture.Program)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = _home,
            ["LC_ALL"] = "C",
            ["KUBECONFIG"] = own,
            ["TELEPRESENCE_LOG_DIR"] = Path.Combine(_home, "log"),
            ["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "../../..")),
        })
        {
            Environment[name] = value;
        }
    }

    public static async Task<Laptop> StartAsync(PracticeClusterFixture cluster, string name, string home)
    {
        Directory.CreateDirectory(home);
        LaptopNamespaces namespaces = await LaptopNamespaces.UpAsync(cluster.StateDirectory, name, detached: false, CancellationToken.None);
        return new Laptop(namespaces, home, cluster.Kubeconfig);
    }

    /// <summary>Runs a program to its end.</summary>
    public Task<CommandResult> RunAsync(params string[] command) => Begin(command).EndAsync();

    /// <summary>Runs a line of shell.</summary>
    public Task<CommandResult> ShellAsync(string script) => RunAsync("bash", "-c", script);

    /// <summary>Runs the program under test.</summary>
    public Task<CommandResult> TelepresenceAsync(params string[] arguments) => RunAsync([PracticeClusterFixture.Program, .. arguments]);

    /// <summary>Connects, which must work.</summary>
    public async Task ConnectAsync(params string[] arguments) => (await TelepresenceAsync(["connect", .. arguments])).Good();

    /// <summary>Starts a program and does not wait for it.</summary>
    public RunningCommand Begin(params string[] command)
    {
        string limit = CommandLimit.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        string[] line = _namespaces.Enter("/", ["/usr/bin/timeout", "--foreground", "-k", Killed, limit, .. command]);
        ProcessStartInfo start = new(line[0], line[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;
        return new RunningCommand(string.Join(' ', command), Process.Start(start)!);
    }

    /// <summary>What <c>status --output json</c> says.</summary>
    public async Task<JsonNode> StatusAsync() => JsonNode.Parse((await TelepresenceAsync("status", "--output", "json")).Good())!;

    /// <summary>All that telepresence may change on a machine, and the processes that it may leave.</summary>
    public async Task<string> SnapshotAsync() => (await ShellAsync("""
        ip -o address show | sed 's/ valid_lft.*//'
        ip -o link show | cut -d' ' -f2
        ip -4 rule; ip -6 rule
        ip -4 route show table all; ip -6 route show table all | sed 's/ expires [^ ]*//'
        ls -l --time-style=+ /etc/resolv.conf /etc/nsswitch.conf
        cat /etc/resolv.conf /etc/nsswitch.conf /etc/hosts
        cut -d' ' -f1-3 /proc/self/mounts
        ss -Hlntu | awk '{print $1, $5}' | sort
        echo processes:
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -ao 'telepresence daemon[^ ]*\|telepresence-guardian\|kubectl proxy' || true
        """)).Good();

    /// <summary>Waits until the machine is as it was.</summary>
    public async Task IsAsBeforeAsync(string before)
    {
        string after = await SnapshotAsync();
        for (int i = 0; i < 200 && after != before; i++)
        {
            await Task.Delay(50);
            after = await SnapshotAsync();
        }

        Assert.Equal(before, after);
    }

    /// <summary>Sends a signal to the processes of the program under test that run one of its verbs.</summary>
    /// <param name="signal">For instance <c>INT</c>.</param>
    /// <param name="verbs">The first argument of each.</param>
    /// <returns>How many there were, counting a tool that one of them was just about to become.</returns>
    public async Task<int> SignalAsync(string signal, params string[] verbs) => int.Parse(
        (await ShellAsync($$"""
            # All in one call: a daemon that outlives the other by the time of this search would undo things meanwhile.
            set --
            for p in /proc/[0-9]*; do
              line=$(tr '\0' ' ' <"$p/cmdline") 2>/dev/null
              case "$line" in
                *\ --undo\ ) ;; # what a guardian has become
                {{string.Join('|', verbs.Select(static verb => $"{PracticeClusterFixture.Program}\\ {verb}\\ *"))}})
                  set -- "$@" "${p#/proc/}" ;;
              esac
            done
            [ $# = 0 ] || kill -{{signal}} "$@"
            echo $#
            """)).Good(),
        CultureInfo.InvariantCulture);

    /// <summary>Kills the shells that wait for the daemons' death to undo their changes.</summary>
    public async Task KillGuardiansAsync() => (await ShellAsync("""
        for p in /proc/[0-9]*; do
          line=$(tr '\0' ' ' <"$p/cmdline") 2>/dev/null
          case "$line" in "/bin/sh -c "*telepresence-guardian*) kill -9 "${p#/proc/}" ;; esac
        done
        """)).Good();

    /// <summary>What the daemons wrote into their logs.</summary>
    public string Logs() => string.Join('\n', Directory.EnumerateFiles(_home, "*.log", SearchOption.AllDirectories).Select(static file => $"--- {file}\n{File.ReadAllText(file)}"));

    public async ValueTask DisposeAsync()
    {
        if (!_disposed)
            await _namespaces.DisposeAsync();
        _disposed = true;
    }
}
