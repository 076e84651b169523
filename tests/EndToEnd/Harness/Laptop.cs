using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.EndToEnd.Harness;

/// <summary>A developer's machine in namespaces of its own, with a home directory of its own, on which the real program runs as root.</summary>
internal sealed class Laptop : IAsyncDisposable
{
    private const string Killed = "2", ChangedRoot = "/run/changed-root";
    private static readonly TimeSpan CommandLimit = TimeSpan.FromSeconds(90), SessionLimit = TimeSpan.FromMinutes(45), Patience = TimeSpan.FromSeconds(60);

    // Longer than a daemon waits for a front end that does not come.
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(25);

    private readonly LaptopNamespaces _namespaces;
    private readonly string _home, _kubeconfig;
    private bool _disposed, _changedRoot;

    private Laptop(LaptopNamespaces namespaces, string home, string kubeconfig)
    {
        _namespaces = namespaces;
        _home = home;
        _kubeconfig = kubeconfig;
        Directory.CreateDirectory(Path.Combine(home, "log"));
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
        })
        {
            Environment[name] = value;
        }
    }

    public static async Task<Laptop> StartAsync(PracticeClusterFixture cluster, string name, string home)
    {
        Directory.CreateDirectory(home);
        LaptopNamespaces namespaces = await LaptopNamespaces.UpAsync(cluster.StateDirectory, name, detached: false, CancellationToken.None);
        Laptop laptop = new(namespaces, home, cluster.Kubeconfig);
        await laptop.As(Person.Jane).WriteAsync(".kube/config", await File.ReadAllTextAsync(cluster.Kubeconfig));
        (await laptop.RunAsync("chmod", "777", Path.Combine(home, "log"))).Good();
        return laptop;
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
    public RunningCommand Begin(params string[] command) => Begin(command, Environment, keepInput: false);

    /// <summary>Starts a program with an environment of its own.</summary>
    /// <param name="command">Program and arguments.</param>
    /// <param name="environment">All its variables.</param>
    /// <param name="keepInput">Whether its standard input stays open.</param>
    public RunningCommand Begin(string[] command, IDictionary<string, string> environment, bool keepInput) =>
        new(string.Join(' ', command), Start(command, environment, keepInput ? SessionLimit : CommandLimit), keepInput);

    /// <summary>Starts a program in a terminal of its own.</summary>
    public TerminalWindow Open(string[] command, IDictionary<string, string> environment, string owner)
    {
        TerminalWindow window = new(Visible("/dev"));

        // The terminal belongs to who uses it, as login sees to.
        window.Attach(Start(["sh", "-c", "chown \"$1\" \"$0\"; shift; exec setsid --ctty --wait \"$@\" <>\"$0\" >&0 2>&0", window.Device, owner, .. command], environment, CommandLimit));
        return window;
    }

    /// <summary>Somebody at this laptop.</summary>
    public LaptopUser As(Person person) => new(this, person);

    /// <summary>A path of the laptop as this process reaches it.</summary>
    public string Visible(string path) => string.Create(CultureInfo.InvariantCulture, $"/proc/{_namespaces.Pid}/root{path}");

    /// <summary>
    /// From now on nobody here can make a user namespace, and the kernel says EPERM as a hardened one does: it does not let those do so
    /// whose root directory is not their mount namespace's.
    /// </summary>
    public async Task TakeUserNamespacesAwayAsync()
    {
        (await ShellAsync($"mkdir -p {ChangedRoot} && mount --rbind / {ChangedRoot}")).Good();
        _changedRoot = true;
        Assert.NotEqual(0, (await As(Person.Jane).RunAsync("unshare", "--user", "true")).ExitCode);
    }

    private Process Start(string[] command, IDictionary<string, string> environment, TimeSpan most)
    {
        string limit = most.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        string[] root = _changedRoot ? ["chroot", ChangedRoot] : [];
        string[] line = _namespaces.Enter("/", ["/usr/bin/timeout", "--foreground", "-k", Killed, limit, .. root, .. command]);
        ProcessStartInfo start = new(line[0], line[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>What <c>status --output json</c> says.</summary>
    public async Task<JsonNode> StatusAsync() => JsonNode.Parse((await TelepresenceAsync("status", "--output", "json")).Good())!;

    /// <summary>The same while connected, when all parts have found the time to answer: one that is busy is left out.</summary>
    public Task<JsonNode> ConnectedStatusAsync() => Eventually.GivesAsync("all parts answer", StatusAsync, AllPartsAnswer);

    /// <summary>Whether that is so of a status.</summary>
    public static bool AllPartsAnswer(JsonNode status) => (bool)status["user_daemon"]!["running"]! && (string?)status["traffic_manager"]!["session"] != "Busy";

    /// <summary>A pipe in <see cref="Home"/>, whose other end is for the test, which so holds a program up.</summary>
    public async Task<string> MakePipeAsync(string name)
    {
        string path = Path.Combine(_home, name);
        (await RunAsync("mkfifo", path)).Good();
        return path;
    }

    /// <summary>Opens the other end, on a thread of its own, since that waits until the program has opened its end.</summary>
    public static Task<FileStream> OpenPipeAsync(string path, FileAccess access) =>
        Task.Run(() => new FileStream(path, FileMode.Open, access, FileShare.ReadWrite, bufferSize: 0)).WaitAsync(Patience);

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

    /// <summary>
    /// <see cref="SnapshotAsync"/>, and all processes, the namespaces that they are in, and files where programs leave what they forget:
    /// for a laptop on which nothing else runs.
    /// </summary>
    public async Task<string> WholeSnapshotAsync() => (await SnapshotAsync()).Split("\nprocesses:")[0] + "\n" + (await ShellAsync("""
        : snapshot of all processes
        for p in /proc/[0-9]*; do
          line=; { IFS= mapfile -d '' -t line <"$p/cmdline"; } 2>/dev/null || continue
          case "${line[*]}" in "" | *"snapshot of all processes"*) continue ;; esac
          echo "process ${line[*]}"
          for kind in net mnt user; do
            [ /proc/1/ns/$kind -ef "$p/ns/$kind" ] || echo "  in a $kind namespace of its own"
          done
        done
        shopt -s nullglob dotglob
        # What the .NET runtime of helpers keeps there is not counted.
        for f in /tmp/* /tmp/telepresence*/* /run/user/*/* /run/user/*/telepresence/* /run/user/*/telepresence/*/* /run/telepresence/* /var/lib/telepresence/* /var/lib/telepresence/*/* /home/jane/.local/state/telepresence/* /home/jane/.local/state/telepresence/*/* /dev/shm/*; do
          case "$f" in /tmp/clr-debug-pipe-* | /tmp/dotnet-diagnostic-* | /tmp/.dotnet* | /tmp/telepresence-end-to-end-* | */CoreFxPipe* | *.log | *.log.*) continue ;; esac
          # Where journals are kept may stay, journals may not.
          case "$f" in */.local/state/* | /var/lib/*) [ ! -d "$f" ] || continue ;; esac
          echo "file $f"
        done
        """)).Good();

    /// <summary>Waits until the machine is as it was.</summary>
    public Task IsAsBeforeAsync(string before) => IsAsBeforeAsync(before, SnapshotAsync);

    /// <summary>Waits until <see cref="WholeSnapshotAsync"/> is as it was.</summary>
    public Task IsWhollyAsBeforeAsync(string before) => IsAsBeforeAsync(before, WholeSnapshotAsync);

    private static Task IsAsBeforeAsync(string before, Func<Task<string>> look) => Eventually.EqualsAsync(before, look, LongestEnd);

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

    /// <summary>Sends a signal to all processes whose command line matches one of some patterns of the shell, in one call.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> SignalMatchingAsync(string signal, params string[] patterns) => int.Parse(
        (await ShellAsync($$"""
            : search for processes
            set --
            for p in /proc/[0-9]*; do
              line=; { IFS= mapfile -d '' -t line <"$p/cmdline"; } 2>/dev/null || continue
              case "${line[*]}" in
                *"search for processes"*) ;;
                {{string.Join('|', patterns.Select(static pattern => pattern.Replace(" ", "\\ ", StringComparison.Ordinal)))}}) set -- "$@" "${p#/proc/}" ;;
              esac
            done
            [ $# = 0 ] || kill -{{signal}} "$@"
            echo $#
            """)).Good(),
        CultureInfo.InvariantCulture);

    /// <summary>What the daemons wrote into their logs.</summary>
    public string Logs() => string.Join('\n', Directory.EnumerateFiles(_home, "*.log", SearchOption.AllDirectories).Select(static file => $"--- {file}\n{File.ReadAllText(file)}"));

    public async ValueTask DisposeAsync()
    {
        if (!_disposed)
            await _namespaces.DisposeAsync();
        _disposed = true;
    }
}
