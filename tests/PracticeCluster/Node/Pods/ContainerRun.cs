using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>One run of a container: its files, its program and its log.</summary>
internal sealed class ContainerRun : IDisposable
{
    private const int LongestMessage = 4096;
    private const int LongestLine = 16384;

    // The first child of a process that has unshared its PID namespace is PID 1 of the new one. `unshare --fork` would do
    // that too, but util-linux 2.38 reports a child that SIGKILL ended as exit code 1. Its own remarks must not reach the log.
    private const string Parent = """exec 3>&2 2>/dev/null; /bin/sh "$0" 2>&3 3>&-; exit $?""";

    private readonly PodContext _pod;
    private readonly StartedProgram _program;
    private readonly bool _interactive;
    private Task<int> _ended = Task.FromResult(0);
    private int _execs;

    private ContainerRun(PodContext pod, ContainerPlan plan, StartedProgram program, ContainerLog log, bool interactive)
    {
        _pod = pod;
        Plan = plan;
        _program = program;
        Log = log;
        _interactive = interactive;
    }

    internal ContainerPlan Plan { get; }

    internal ContainerLog Log { get; }

    internal StartedProgram Program => _program;

    /// <exception cref="NodeException">The program cannot be started.</exception>
    internal static async Task<ContainerRun> StartAsync(
        PodContext pod, ContainerPlan plan, ContainerLog log, bool tty, bool keepInput, CancellationToken cancel)
    {
        string directory = pod.Visible(plan.Directory);
        foreach (string name in (string[])["upper", "work", "root"])
            Directory.CreateDirectory(Path.Combine(directory, name));
        await File.WriteAllTextAsync(Path.Combine(directory, "fstab"), ContainerScript.Fstab(plan), cancel);
        await File.WriteAllTextAsync(Path.Combine(directory, "start"), ContainerScript.Shell(plan, pod.Node.BecomePath), cancel);
        await File.WriteAllBytesAsync(Path.Combine(directory, "program"), plan.Program.Records("root=/.."), cancel);
        PodSandbox sandbox = pod.Sandbox!;
        bool shared = pod.Pod.Flag("spec", "shareProcessNamespace") == true;
        string[] command =
        [
            Commands.NsEnter, .. PodSandbox.Enter(pod.Node.Namespaces, sandbox.Pid), $"--mount=/proc/{pod.Node.Namespaces.Pid}/ns/mnt", "--",
            Commands.Unshare, "--mount", .. shared ? (string[])[] : ["--pid"], "--", Commands.Shell, "-c", Parent, plan.Directory + "/start",
        ];
        StartedProgram program = await StartedProgram.StartAsync(command, tty, cancel);
        if (!keepInput && !tty)
            program.Input.Close();
        var run = new ContainerRun(pod, plan, program, log, tty || keepInput);
        run._ended = run.EndAsync();
        return run;
    }

    /// <summary>Waits for the end of the program and of its output.</summary>
    /// <remarks>Who runs it and who stops it both wait; one end for both, as the first of them disposes of the process.</remarks>
    internal Task<int> WaitAsync() => _ended;

    /// <summary>Starts another program in the container.</summary>
    /// <exception cref="NodeException">It cannot be started.</exception>
    internal Task<StartedProgram> ExecAsync(IReadOnlyList<string> command, bool tty, CancellationToken cancel)
    {
        ProgramPlan program = Plan.Program with { Command = command };
        if (tty)
            program = program with { Environment = new Dictionary<string, string>(program.Environment) { ["TERM"] = "xterm" } };
        string records = _pod.Visible(string.Create(CultureInfo.InvariantCulture, $"{Plan.Directory}/exec{Interlocked.Increment(ref _execs)}"));
        File.WriteAllBytes(records, program.Records($"mnt=/proc/{_program.Pid}/ns/mnt"));
        string[] enter =
        [
            Commands.NsEnter, .. PodSandbox.Enter(_pod.Node.Namespaces, _pod.Sandbox!.Pid)[..^1], $"--pid=/proc/{_program.Pid}/ns/pid", "--",
            "/usr/bin/perl", _pod.Visible(_pod.Node.BecomePath), records,
        ];
        return StartedProgram.StartAsync(enter, tty, cancel);
    }

    /// <summary>What the program left at terminationMessagePath, or the log's end where the policy says so.</summary>
    internal string? TerminationMessage(int exitCode, string? policy)
    {
        string text = File.ReadAllText(_pod.Visible($"{Plan.Directory}/termination-log"));
        if (text.Length == 0 && exitCode != 0 && policy == "FallbackToLogsOnError")
            text = Log.Tail(80);
        return text.Length == 0 ? null : text[^Math.Min(text.Length, LongestMessage)..];
    }

    public void Dispose()
    {
        _program.Dispose();
        Directory.Delete(_pod.Visible(Plan.Directory), recursive: true);
    }

    private async Task<int> EndAsync()
    {
        Task pumps = Task.WhenAll(PumpAsync(_program.Output), _program.Error is Stream error ? PumpAsync(error) : Task.CompletedTask);
        int code = await _program.WaitAsync(CancellationToken.None);
        await pumps;
        Log.End();
        return code;
    }

    private async Task PumpAsync(Stream stream)
    {
        byte[] buffer = new byte[LongestLine];
        int filled = 0;
        int read;
        while ((read = await StartedProgram.ReadAsync(stream, buffer.AsMemory(filled), CancellationToken.None)) > 0)
        {
            filled += read;
            int taken = 0;
            int newline;
            while ((newline = buffer.AsSpan(taken, filled - taken).IndexOf((byte)'\n')) >= 0)
            {
                Log.Append(buffer.AsSpan(taken, newline + 1));
                taken += newline + 1;
            }

            // A prompt has no newline, and someone may be attached.
            if (filled - taken == buffer.Length || (_interactive && filled > taken))
            {
                Log.Append(buffer.AsSpan(taken, filled - taken));
                taken = filled;
            }

            buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
            filled -= taken;
        }

        if (filled > 0)
            Log.Append(buffer.AsSpan(0, filled));
    }
}
