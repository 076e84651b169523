using System.Diagnostics;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Shell;

namespace Telepresence.Cli.Tests.Launch;

public sealed class UserShellTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("telepresence-test-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Bash_reads_the_user_s_own_file_and_then_gets_the_prompt()
    {
        File.WriteAllText(Path.Combine(_directory, ".bashrc"), "PS1='mine$ '; own=from-bashrc\n");
        UserShell shell = UserShell.Prepare(User("/bin/bash"), "the `context` $x", Sub("session"), interactive: true);
        string output = await RunAsync(shell, "printf '%s|%s\\n' \"$own\" \"${PS1@P}\"\nexit\n");
        Assert.Contains("from-bashrc|@the `context` $x|mine$ ", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_gets_the_shell_as_it_is()
    {
        UserShell shell = UserShell.Prepare(User("/bin/bash"), "context", _directory, interactive: false);
        Assert.Equal(["/bin/bash"], shell.Command);
        Assert.Empty(shell.Variables);
    }

    [Fact]
    public void A_shell_that_does_not_exist_gives_way_to_sh() =>
        Assert.Equal("/bin/sh", UserShell.Prepare(User("/no/such/shell"), "context", _directory, interactive: true).Command[0]);

    [Fact]
    public void Any_other_shell_gets_its_prompt_from_the_environment() =>
        Assert.Equal("@context|$ ", UserShell.Prepare(User("/bin/sh"), "context", _directory, interactive: true).Variables["PS1"]);

    private InvokingUser User(string shell) => new(0, 0, "tester", _directory, new Dictionary<string, string> { ["SHELL"] = shell, ["PATH"] = "/usr/bin:/bin", ["HOME"] = _directory });

    private string Sub(string name) => Directory.CreateDirectory(Path.Combine(_directory, name)).FullName;

    private async Task<string> RunAsync(UserShell shell, string script)
    {
        ProcessStartInfo start = new(shell.Command[0], shell.Command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = _directory;
        foreach ((string name, string value) in shell.Variables)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(script);
        process.StandardInput.Close();
        string output = await process.StandardOutput.ReadToEndAsync();
        await error;
        return output;
    }
}
