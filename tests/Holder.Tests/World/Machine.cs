using System.Diagnostics;
using System.Globalization;

namespace Telepresence.Holder.Tests.World;

/// <summary>
/// A developer's machine in mount and network namespaces of its own, with a /dev/net/tun for everybody as distributions have it, and a
/// pod in another one. One for all tests; everything vanishes with the process that holds the namespaces.
/// </summary>
public sealed class Machine : IDisposable
{
    /// <summary>An ordinary user without a name on most machines; Debian's nobody.</summary>
    internal const uint OrdinaryUser = 65534;

    private const string Setup = """
        set -e
        ip link set lo up
        ip link add eth0 type veth peer name eth0-peer
        ip link set eth0 addrgenmode none
        ip link set eth0-peer addrgenmode none
        ip link set eth0-peer up
        ip address add 192.0.2.2/24 dev eth0
        ip link set eth0 up
        mount -t tmpfs none /dev/net
        mknod /dev/net/tun c 10 200
        chmod 0666 /dev/net/tun
        mount -t tmpfs none /run
        mkdir -p /run/nscd /run/systemd/resolve
        touch /run/nscd/socket /run/systemd/resolve/io.systemd.Resolve
        mount --bind "$1" /mnt
        mount -t tmpfs -o mode=1777 none /tmp
        mkdir "$1"
        mount --move /mnt "$1"
        printf 'nameserver 192.0.2.53\nsearch corp.example\n' > "$1/resolv.conf"
        printf 'passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns\n' > "$1/nsswitch.conf"
        chmod 644 "$1/resolv.conf" "$1/nsswitch.conf"
        mount --bind "$1/resolv.conf" /etc/resolv.conf
        mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
        echo held
        exec cat
        """;

    private const string PodSetup = """
        set -e
        ip link set lo up
        echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range
        for address in 10.96.0.10 10.96.5.5 10.96.5.6 10.244.0.7; do ip address add $address/32 dev lo; done
        exec "$@"
        """;

    private readonly Process _holder;
    private readonly Process _pod;

    public Machine()
    {
        Shared = Directory.CreateTempSubdirectory("telepresence-test-").FullName;
        File.SetUnixFileMode(Shared, (UnixFileMode)0x1ff);
        _holder = Start("unshare", ["--mount", "--net", "--propagation", "private", "--", "sh", "-c", Setup, "sh", Shared]);
        string? held = _holder.StandardOutput.ReadLine();
        Assert.True(held == "held", $"unshare failed: {held ?? _holder.StandardError.ReadToEnd()}");
        _pod = Start("unshare", ["--net", "--", "sh", "-c", PodSetup, "sh", .. Helper("pod", Shared)]);
        string? ready = _pod.StandardOutput.ReadLine();
        Assert.True(ready == "ready", $"the pod did not start: {ready ?? _pod.StandardError.ReadToEnd()}");
    }

    /// <summary>A directory that everybody can write, on both sides.</summary>
    internal string Shared { get; }

    /// <summary>The user's command line for something that runs on the machine.</summary>
    /// <param name="user">User id; 0 for root.</param>
    /// <param name="command">Program and arguments.</param>
    internal string[] OnMachine(uint user, params string[] command) =>
    [
        "nsenter", "--target", _holder.Id.ToString(CultureInfo.InvariantCulture), "--mount", "--net", "--",
        .. user == 0 ? (string[])[] : ["setpriv", "--reuid", $"{user}", "--regid", $"{user}", "--groups", "100", "--inh-caps=-all", "--"],
        .. command,
    ];

    /// <summary>This assembly's helper.</summary>
    internal static string[] Helper(params string[] arguments) => [Environment.ProcessPath!, "exec", typeof(Machine).Assembly.Location, .. arguments];

    /// <summary>Starts something that the test ends.</summary>
    internal Process Start(string[] line, Action<ProcessStartInfo>? prepare = null) => Start(line[0], line[1..], prepare);

    /// <summary>Runs something to its end.</summary>
    internal async Task<Result> RunAsync(string[] line, string input = "", Action<ProcessStartInfo>? prepare = null)
    {
        using Process process = Start(line, prepare);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(180));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{string.Join(' ', line)} did not end: {await output}{await error}");
        }

        return new Result(process.ExitCode, await output, await error);
    }

    /// <summary>Runs a shell script inside, in a session of its own.</summary>
    internal Task<Result> InsideAsync(uint user, string script, Action<ProcessStartInfo>? prepare = null) =>
        RunAsync(OnMachine(user, Helper("session", Shared, "sh", "-c", script)), prepare: prepare);

    /// <summary>Runs a shell script on the machine.</summary>
    internal async Task<string> ShellAsync(string script) => (await RunAsync(OnMachine(0, "sh", "-c", script))).Output;

    public void Dispose()
    {
        _pod.Kill();
        _pod.Dispose();
        _holder.Kill();
        _holder.Dispose();
        Directory.Delete(Shared, recursive: true);
    }

    private static Process Start(string program, IEnumerable<string> arguments, Action<ProcessStartInfo>? prepare = null)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        start.Environment["DOTNET_TieredPGO"] = "0";
        start.Environment.Remove("SUDO_UID");
        prepare?.Invoke(start);
        return Process.Start(start)!;
    }

    internal sealed record Result(int Code, string Output, string Error);
}

[CollectionDefinition(nameof(Machine))]
public sealed class MachineCollection : ICollectionFixture<Machine>;
