using System.Diagnostics;

namespace Telepresence.Rig.Run;

/// <summary>
/// Network namespaces and the processes in them. scripts/bench gives the run a mount and a PID namespace of its own, so nothing of this is
/// seen from outside, and all of it ends with the run, however that ends.
/// </summary>
internal sealed class Lab : IAsyncDisposable
{
    private readonly List<Process> _running = [];
    private readonly Dictionary<Process, string> _errorFiles = [];
    private readonly string _directory;

    internal Lab(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory);
    }

    /// <summary>This program again, for another role.</summary>
    internal static string[] Self(params ReadOnlySpan<string> arguments) =>
        [Environment.ProcessPath!, .. arguments];

    /// <summary>A file of this run.</summary>
    internal string PathOf(string file) => Path.Combine(_directory, file);

    internal static string NamespaceFile(string name) => $"/run/netns/{name}";

    /// <summary>Makes a namespace with cubic: the default of some machines, bbr, paces even on loopback.</summary>
    internal async Task AddNamespaceAsync(string name)
    {
        await RunAsync(["ip", "netns", "add", name]);
        await ShellAsync(name, """
            ip link set lo up
            sysctl -qw net.ipv4.tcp_congestion_control=cubic net.ipv4.ip_local_port_range='1024 65000' net.ipv4.tcp_tw_reuse=1
            sysctl -qw net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192
            sysctl -qw net.ipv6.conf.all.disable_ipv6=1
            """);
    }

    internal Task<string> ShellAsync(string netns, string script) => RunAsync(In(netns, "sh", "-ec", script));

    /// <summary>Runs a command to its end.</summary>
    /// <returns>What it printed.</returns>
    /// <exception cref="IOException">It failed, or took longer than <paramref name="limit"/>.</exception>
    internal async Task<string> RunAsync(string[] command, TimeSpan? limit = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        using Process process = Begin(command, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Close();
        using CancellationTokenSource late = new(limit ?? TimeSpan.FromSeconds(30));
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new IOException($"'{Named(command)}' did not end in time.");
        }

        return process.ExitCode == 0
            ? await output
            : throw new IOException($"'{Named(command)}' failed: {(await errors).Trim()}");
    }

    /// <summary>Starts something that runs until the end; its output goes into files named after it.</summary>
    internal Process Start(string name, string[] command, IReadOnlyDictionary<string, string>? environment = null)
    {
        Process process = Begin(command, environment);
        _running.Add(process);
        _errorFiles[process] = PathOf($"{name}.err");
        _ = CopyAsync(process.StandardError, _errorFiles[process]);
        return process;
    }

    /// <summary>Ends processes that were started here.</summary>
    internal async Task EndAsync(IEnumerable<Process> processes)
    {
        foreach (Process process in processes)
        {
            _running.Remove(process);
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    /// <summary>Waits until a started process prints a line that begins with <paramref name="word"/>.</summary>
    internal async Task<string> ExpectAsync(Process process, string word)
    {
        using CancellationTokenSource late = new(TimeSpan.FromSeconds(60));
        try
        {
            while (await process.StandardOutput.ReadLineAsync(late.Token) is { } line)
            {
                if (line.StartsWith(word, StringComparison.Ordinal))
                    return line;
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        throw new IOException($"'{Named(process.StartInfo.ArgumentList)}' did not say '{word}', but: {Complaints(process)}");
    }

    /// <summary>A command inside a namespace.</summary>
    internal static string[] In(string netns, params ReadOnlySpan<string> command) => ["nsenter", $"--net={NamespaceFile(netns)}", .. command];

    public async ValueTask DisposeAsync() => await EndAsync(Enumerable.Reverse(_running).ToArray());

    private static Process Begin(string[] command, IReadOnlyDictionary<string, string>? environment)
    {
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return Process.Start(start) ?? throw new IOException($"{command[0]} did not start.");
    }

    // Results are published: programs by their names, and not by where this checkout lies.
    private static string Named(IEnumerable<string> command) =>
        string.Join(' ', command.Select(static word => Path.IsPathRooted(word) && File.Exists(word) ? Path.GetFileName(word) : word));

    private string Complaints(Process process) => File.Exists(_errorFiles[process]) ? File.ReadAllText(_errorFiles[process]).Trim() : "";

    private static async Task CopyAsync(StreamReader from, string path)
    {
        await using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        await from.BaseStream.CopyToAsync(file);
    }
}
