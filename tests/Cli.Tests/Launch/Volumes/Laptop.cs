using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>Who uses the machine.</summary>
public enum Account
{
    /// <summary>root, in a mount namespace of its own.</summary>
    Root,

    /// <summary>root in a mount namespace of its own, for an ordinary user who has called sudo.</summary>
    Sudo,

    /// <summary>An ordinary user, in user and mount namespaces of its own.</summary>
    Ordinary,

    /// <summary>An ordinary user without any namespace of its own: the test keeps a mount namespace around it.</summary>
    WithoutNamespace,
}

/// <summary>
/// A developer's machine in namespaces of its own with <see cref="VolumeHelper"/> running in it. Below /run there are a socket with a
/// server and a file; /home/developer is the home directory.
/// </summary>
internal sealed class Laptop : IDisposable
{
    private const string Setup = """
        set -e
        mount -t tmpfs -o mode=755 run /run
        mount -t tmpfs -o mode=1777 tmp /tmp
        mount -t tmpfs -o mode=1777 shm /dev/shm
        mount -t tmpfs -o mode=755 home /home
        mkdir -m 755 /home/developer /run/agent /run/app
        mkdir -m 700 /run/user
        echo 4711 > /run/agent/pid
        cp /etc/passwd /run/passwd
        echo 'developer:x:65533:65533::/home/developer:/bin/sh' >> /run/passwd
        mount --bind /run/passwd /etc/passwd
        cp -r "$BINARIES" /run/app/bin
        if [ "$FUSE" = 1 ]; then
            mknod -m 666 /run/fuse c 10 229
        else
            mknod -m 600 /run/fuse c 10 1
        fi
        mount --bind /run/fuse /dev/fuse
        chown 65533:65533 /home/developer /run/user
        setpriv --pdeathsig KILL -- /usr/bin/dotnet exec /run/app/bin/Cli.Tests.dll agent /run/agent.sock </dev/null >/dev/null 2>&1 &
        cd /home/developer
        export HOME=/home/developer
        [ -z "$BEFORE" ] || setpriv --reuid=65533 --regid=65533 --clear-groups sh -c "$BEFORE"
        [ "$SHARED" = 0 ] || mount --make-rshared /
        [ -z "$AFTERWARDS" ] || { "$@" || true; set +e; eval "$AFTERWARDS"; exit; }
        "$@"
        """;

    internal const string JournalPath = "/home/developer/journal";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _log = new();

    internal Laptop(PodFiles pod, Account account, bool fuse, params string[] mounts)
        : this(pod, new Options { Account = account, Fuse = fuse }, mounts)
    {
    }

    internal Laptop(PodFiles pod, Options options, params string[] mounts)
    {
        string[] before = options.Account switch
        {
            Account.Root when options.Shared => ["unshare", "--mount", "--propagation", "unchanged", "--"],
            Account.Root or Account.Sudo => [],
            Account.Ordinary => ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--"],
            _ => ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--"],
        };
        string[] after =
        [
            "/usr/bin/dotnet", "exec", "/run/app/bin/Cli.Tests.dll", "volumes", $"{pod.Port}", JournalPath,
            options.Account == Account.WithoutNamespace ? "direct" : "real", options.Mount, options.Writable ? "1" : "0", .. mounts,
        ];
        ProcessStartInfo start = new("unshare", ["--mount", "--propagation", "private", "sh", "-c", Setup, "sh", .. before, .. after])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["BINARIES"] = AppContext.BaseDirectory;
        start.Environment["FOR_USER"] = options.Account == Account.Sudo ? "1" : "0";
        start.Environment["SHARED"] = options.Shared ? "1" : "0";
        start.Environment["BEFORE"] = options.Before;
        start.Environment["AFTERWARDS"] = options.Afterwards;
        start.Environment["FUSE"] = options.Fuse ? "1" : "0";
        start.Environment["XDG_RUNTIME_DIR"] = "/run/user";
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_log)
                _log.AppendLine(line.Data);
        };
        _process.BeginErrorReadLine();
        string ready = Line();
        string[] words = ready.Split('\t')[0].Split(' ', 3);
        Error = words[0] == "error" ? ready["error ".Length..] : null;
        if (words[0] != "ready")
            return;
        Method = words[1];
        Root = words[2];
        Notes = ready.Split('\t')[1];
    }

    /// <summary>What is not as usual on a machine.</summary>
    internal sealed record Options
    {
        internal Account Account { get; init; }

        internal bool Fuse { get; init; } = true;

        internal string Mount { get; init; } = "true";

        internal bool Writable { get; init; }

        /// <summary>Mounts that the tree makes would be seen outside of its namespace, if it let them.</summary>
        internal bool Shared { get; init; }

        /// <summary>Shell commands that the ordinary user has run before.</summary>
        internal string Before { get; init; } = "";

        /// <summary>Shell commands that run on the machine, as root, when the session has ended or was killed.</summary>
        internal string Afterwards { get; init; } = "";
    }

    internal string Method { get; } = "";

    internal string Root { get; } = "";

    internal string Notes { get; } = "";

    /// <summary>The sentence with which it refused.</summary>
    internal string? Error { get; }

    internal string Log
    {
        get
        {
            lock (_log)
                return _log.ToString();
        }
    }

    /// <summary>Runs a shell command as a program of the tree would.</summary>
    internal (int Code, string Output) Try(string command)
    {
        string[] answer = Order($"run {JsonSerializer.Serialize($"timeout -k 1 60 sh -c {Quote(command)}")}").Split(' ');
        return (int.Parse(answer[0], System.Globalization.CultureInfo.InvariantCulture), Encoding.UTF8.GetString(Convert.FromBase64String(answer[1])));
    }

    /// <summary>The same; it must succeed.</summary>
    internal string Run(string command)
    {
        (int code, string output) = Try(command);
        Assert.True(code == 0, $"{command}: exit {code}: {output}\n{Log}");
        return output;
    }

    /// <summary>Repeats a command until it prints something, ten times a second, for at most as long as the issue allows a rotation to take.</summary>
    /// <param name="command">The command.</param>
    /// <param name="output">What must come.</param>
    /// <param name="seconds">For how long, where each look takes no time: one for which the machine has none is no time that the volume had.</param>
    internal void Until(string command, string output, int seconds = 5)
    {
        Stopwatch since = Stopwatch.StartNew();
        (int Code, string Output) last = Try(command);
        for (int look = 0; look < 10 * seconds && last.Output != output && since.Elapsed < Patience; look++)
        {
            Thread.Sleep(100);
            last = Try(command);
        }

        Assert.True(last.Output == output, $"{command}: after {since.Elapsed.TotalSeconds:0} seconds still exit {last.Code}: {last.Output}\n{Log}");
    }

    /// <summary>Gives the helper an order and reads its answer.</summary>
    internal string Order(string order)
    {
        _process.StandardInput.WriteLine(order);
        return Line();
    }

    /// <summary>What is mounted on the machine outside of the tree.</summary>
    internal string Mounts => File.ReadAllText($"/proc/{_process.Id}/mountinfo");

    /// <summary>Kills the session and gives what <see cref="Options.Afterwards"/> printed.</summary>
    internal string Kill()
    {
        using Process helper = Process.GetProcessById(int.Parse(Order("pid"), System.Globalization.CultureInfo.InvariantCulture));
        helper.Kill();
        return _process.StandardOutput.ReadToEnd();
    }

    /// <summary>Ends the session in good order and gives what <see cref="Options.Afterwards"/> printed.</summary>
    internal string StopAndLook()
    {
        try
        {
            _process.StandardInput.WriteLine("stop");
        }
        catch (IOException)
        {
            // A session that did not come about has ended already, and what was asked for afterwards is being printed.
        }

        return _process.StandardOutput.ReadToEnd();
    }

    /// <summary>What the agent on /run/agent.sock says.</summary>
    internal string AskAgent() => Run("/usr/bin/dotnet exec /run/app/bin/Cli.Tests.dll agent-client /run/agent.sock");

    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    private string Line()
    {
        Task<string?> line = _process.StandardOutput.ReadLineAsync();
        Assert.True(line.Wait(Patience), $"no answer\n{Log}");
        return line.Result ?? throw new IOException($"the helper ended: {Error}\n{Log}");
    }
}
