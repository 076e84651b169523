using System.Diagnostics;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Daemon;

/// <summary>Starting the root daemon; the real one, in directories of its own.</summary>
public sealed class DaemonLauncherTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("launcher-test-");

    public void Dispose() => _directory.Delete(recursive: true);

    // As two connects at the same time do: the second daemon looks whether the first answers, and goes.
    [Fact]
    public async Task A_daemon_waits_for_who_started_it_whoever_else_looks_whether_it_runs()
    {
        TimeSpan patience = TimeSpan.FromSeconds(60);
        using Process first = Begin("daemon-root");
        Assert.Equal("ready", await first.StandardOutput.ReadLineAsync().WaitAsync(patience));

        // All at once: the first one's patience is short.
        Process[] others = [Begin("daemon-root"), Begin("daemon-root"), Begin("daemon-root")];
        foreach (Process other in others)
            Assert.Equal("ready", await other.StandardOutput.ReadLineAsync().WaitAsync(patience));

        await using (ControlConnection? connection = ControlConnection.TryConnect(Path.Combine(_directory.FullName, "RUNTIME", "root.sock")))
        {
            Assert.NotNull(connection);
            Assert.Equal(first.Id, connection.PeerProcess);
            await connection.SendAsync(new Message { Kind = MessageKind.Status }, CancellationToken.None);
            Assert.True((await connection.ReceiveAsync(CancellationToken.None).WaitAsync(patience))?.Status?.RootDaemon.Running);
        }

        await first.WaitForExitAsync().WaitAsync(patience);
        Assert.Equal(0, first.ExitCode);
        foreach (Process other in others)
        {
            await other.WaitForExitAsync().WaitAsync(patience);
            other.Dispose();
        }
    }

    [Fact]
    public async Task A_daemon_does_not_keep_the_standard_error_of_who_started_it()
    {
        using Process helper = Begin("launch-daemon");
        Task<string> holders = helper.StandardOutput.ReadToEndAsync(), error = helper.StandardError.ReadToEndAsync();
        await helper.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("", await error);
        Assert.Equal("", await holders);
        Assert.Equal(0, helper.ExitCode);
    }

    private Process Begin(string verb)
    {
        string program = verb == "daemon-root" ? Path.Combine(AppContext.BaseDirectory, "telepresence.dll") : typeof(DaemonLauncherTests).Assembly.Location;
        ProcessStartInfo start = new("dotnet", [program, verb]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string name in (ReadOnlySpan<string>)["RUNTIME", "STATE", "LOG"])
            start.Environment[$"TELEPRESENCE_{name}_DIR"] = Path.Combine(_directory.FullName, name);
        return Process.Start(start)!;
    }
}
