using System.Diagnostics;

namespace Telepresence.Cli.Tests.Commands;

/// <summary>
/// Runs the real program, with its sockets, journals and logs in a directory of its own and a kubectl that the test writes.
/// </summary>
internal sealed class CliProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("cli-test-");

    // The PATH of the program has what it and the scripts need, and no kubectl of this machine.
    internal CliProcess()
    {
        Directory.CreateDirectory(InDirectory("bin"));
        foreach (string tool in (ReadOnlySpan<string>)["setsid", "ln"])
            File.CreateSymbolicLink(InDirectory($"bin/{tool}"), $"/usr/bin/{tool}");
    }

    // Nothing is left of daemons: no socket, and nothing open in a journal.
    private bool IsClean =>
        !File.Exists(InDirectory("run/root.sock"))
        && Directory.EnumerateFiles(_directory.FullName, "*.journal", SearchOption.AllDirectories).All(static journal => new FileInfo(journal) is not { Exists: true, Length: > 0 });

    /// <summary>Whether nothing is left of daemons; the last of them may go a little later than the program that started it.</summary>
    internal bool BecomesClean() => SpinWait.SpinUntil(() => IsClean, Limit);

    /// <summary>Makes the user's kubectl a shell script.</summary>
    internal void WriteKubectl(string script)
    {
        string path = InDirectory("bin/kubectl");
        File.WriteAllText(path, "#!/bin/sh\n" + script);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    /// <summary>A kubectl with one context, whose proxy leads to a server of the test.</summary>
    internal void WriteKubectlFor(string socketPath) => WriteKubectl($$$"""
        case "$1" in
          config) echo '{"current-context":"dev","contexts":[{"name":"dev","context":{"cluster":"c","namespace":"web"}}],"clusters":[{"name":"c","cluster":{"server":"https://192.0.2.1:6443"}}]}' ;;
          proxy)
            for argument; do case "$argument" in --unix-socket=*) ln -s {{{socketPath}}} "${argument#*=}" ;; esac; done
            echo "Starting to serve"
            exec /bin/sleep 1000 ;;
        esac

        """);

    internal async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "telepresence"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _directory.FullName,
        };
        string? dotnet = Environment.GetEnvironmentVariable("DOTNET_ROOT");
        start.Environment.Clear();
        if (dotnet is not null)
            start.Environment["DOTNET_ROOT"] = dotnet;
        start.Environment["HOME"] = _directory.FullName;
        start.Environment["PATH"] = InDirectory("bin");
        start.Environment["TELEPRESENCE_RUNTIME_DIR"] = InDirectory("run");
        start.Environment["TELEPRESENCE_STATE_DIR"] = InDirectory("state");
        start.Environment["TELEPRESENCE_LOG_DIR"] = InDirectory("log");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Limit);
        return (process.ExitCode, await output, await error);
    }

    public void Dispose() => _directory.Delete(recursive: true);

    private string InDirectory(string name) => Path.Combine(_directory.FullName, name);
}
