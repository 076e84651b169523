using System.Diagnostics;

namespace Telepresence.Cli.Tests.Daemon;

/// <summary>Starting the root daemon; the real one, in directories of its own.</summary>
public sealed class DaemonLauncherTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("launcher-test-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_daemon_does_not_keep_the_standard_error_of_who_started_it()
    {
        ProcessStartInfo start = new("dotnet", [typeof(DaemonLauncherTests).Assembly.Location, "launch-daemon"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string name in (ReadOnlySpan<string>)["RUNTIME", "STATE", "LOG"])
            start.Environment[$"TELEPRESENCE_{name}_DIR"] = Path.Combine(_directory.FullName, name);
        using Process helper = Process.Start(start)!;
        Task<string> holders = helper.StandardOutput.ReadToEndAsync(), error = helper.StandardError.ReadToEndAsync();
        await helper.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("", await error);
        Assert.Equal("", await holders);
        Assert.Equal(0, helper.ExitCode);
    }
}
