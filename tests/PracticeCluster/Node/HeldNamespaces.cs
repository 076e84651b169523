using System.Diagnostics;
using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// A set of new namespaces (mount, network, PID, IPC, UTS) that live exactly as long as one process: their PID 1.
/// </summary>
/// <remarks>
/// Nothing here has a name on the host: no /run/netns file, no mount, no link. The kernel frees all of it when PID 1 is gone,
/// and kills every process in the PID namespace and in those nested below it. PID 1 in turn ends when its standard input,
/// a pipe held by this program, is closed, which the kernel does however this program ends. So `kill -9` leaves no trace.
/// </remarks>
internal sealed class HeldNamespaces : IAsyncDisposable
{
    private readonly Process _process;

    private HeldNamespaces(Process process, int pid)
    {
        _process = process;
        Pid = pid;
    }

    /// <summary>PID 1 of the namespaces, as this program sees it.</summary>
    internal int Pid { get; }

    internal string NetworkPath => NetworkOf(Pid);

    /// <summary>Makes a path inside the namespaces' mount namespace readable from here.</summary>
    internal string Visible(string path) => $"/proc/{Pid}/root{path}";

    internal static string NetworkOf(int pid) => string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/net");

    /// <param name="scriptPath">Where to put PID 1's script, on the host.</param>
    /// <param name="setup">Shell commands run by PID 1 before the namespaces count as up; $pid is its pid as seen from here.</param>
    /// <param name="detached">The namespaces outlive this program, until PID 1 is killed.</param>
    /// <exception cref="NodeException">The set-up failed; the message is what the failing tool said.</exception>
    internal static async Task<HeldNamespaces> CreateAsync(
        string scriptPath, string setup, CancellationToken cancel, bool detached = false)
    {
        // `wait` for the background cat also reaps orphans of the PID namespace, which become PID 1's children.
        string script = $"""
            set -e
            ulimit -c 0
            exec 3<&0 </dev/null
            read -r pid rest </proc/self/stat
            {setup}
            echo "$pid"
            exec >/dev/null
            {(detached ? "exec 3<&- 2>/dev/null; sleep infinity &" : "cat <&3 &")}
            wait $!
            """;
        await File.WriteAllTextAsync(scriptPath, script, cancel);
        // A session of its own: Ctrl-C in the terminal is for this program, which then takes things down in order.
        var process = Process.Start(Commands.Prepare("/usr/bin/setsid",
            [Commands.Unshare, "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--", Commands.Shell, scriptPath]))
            ?? throw new NodeException("cannot start unshare");
        string? line = await process.StandardOutput.ReadLineAsync(cancel);
        if (int.TryParse(line, CultureInfo.InvariantCulture, out int pid))
            return new HeldNamespaces(process, pid);
        string error = await process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        process.Dispose();
        throw new NodeException($"cannot make namespaces: {error.Trim()}");
    }

    /// <summary>Arguments for nsenter that run a tool in the network namespace only, with the host's files.</summary>
    internal string[] InNetwork(params string[] command) => [$"--net={NetworkPath}", "--", .. command];

    /// <summary>Kills everything inside and waits until the kernel has taken PID 1 away.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        if (Native.Kill(Pid, Native.SignalKill) == 0 || !_process.HasExited)
            await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
