using System.Diagnostics;
using System.Net.Sockets;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Daemon;

/// <summary>Starting the root daemon; the real one, in directories of its own.</summary>
public sealed class DaemonLauncherTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private const string StarterHasEnded = "the front end that started the daemon has ended";
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "telepresence.dll");
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("launcher-test-");

    private string RootSocket => Path.Combine(_directory.FullName, "RUNTIME", "root.sock");

    private string RootLog => File.ReadAllText(Path.Combine(_directory.FullName, "LOG", "root-daemon.log"));

    public void Dispose() => _directory.Delete(recursive: true);

    // As two connects at the same time do: the second daemon looks whether the first answers, and goes.
    [Fact]
    public async Task A_daemon_waits_for_who_started_it_whoever_else_looks_whether_it_runs()
    {
        using Process first = Begin("daemon-root");
        Assert.Equal("ready", await first.StandardOutput.ReadLineAsync().WaitAsync(Patience));

        // All at once: the first one's patience is short.
        Process[] others = [Begin("daemon-root"), Begin("daemon-root"), Begin("daemon-root")];
        foreach (Process other in others)
            Assert.Equal("running", await other.StandardOutput.ReadLineAsync().WaitAsync(Patience));

        await using (ControlConnection? connection = ControlConnection.TryConnect(RootSocket))
        {
            Assert.NotNull(connection);
            Assert.Equal(first.Id, connection.PeerProcess);
            await connection.SendAsync(new Message { Kind = MessageKind.Status }, CancellationToken.None);
            Assert.True((await connection.ReceiveAsync(CancellationToken.None).WaitAsync(Patience))?.Status?.RootDaemon.Running);
        }

        await first.WaitForExitAsync().WaitAsync(Patience);
        Assert.Equal(0, first.ExitCode);
        foreach (Process other in others)
        {
            await other.WaitForExitAsync().WaitAsync(Patience);
            other.Dispose();
        }
    }

    [Fact]
    public async Task A_daemon_does_not_keep_the_standard_error_of_who_started_it()
    {
        using Process helper = Begin("launch-daemon");
        Task<string> holders = helper.StandardOutput.ReadToEndAsync(), error = helper.StandardError.ReadToEndAsync();
        await helper.WaitForExitAsync().WaitAsync(Patience);
        Assert.Equal("", await error);
        Assert.Equal("", await holders);
        Assert.Equal(0, helper.ExitCode);
    }

    // Of a daemon that was killed, the kernel closes one file after another: until then its journal is locked, and its socket takes connections.
    [Fact]
    public async Task A_guardian_does_not_take_a_daemon_that_is_just_being_killed_for_one_that_lives()
    {
        string left = Path.Combine(_directory.FullName, "left");
        Directory.CreateDirectory(Path.GetDirectoryName(RootSocket)!);
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(RootSocket));
        listener.Listen();
        Process guardian;
        using (Journal journal = Journal.OpenAt(Path.Combine(_directory.FullName, "STATE", "machine.journal")))
        {
            await journal.ApplyAsync(new VolumeCopyChange(left), default);
            guardian = Begin("daemon-root", "--undo");
            using (Socket asked = await listener.AcceptAsync().WaitAsync(Patience))
                Assert.NotEqual(0, await asked.ReceiveAsync(new byte[1]).WaitAsync(Patience));
            listener.Dispose();
            Assert.True(Directory.Exists(left));
        }

        await guardian.WaitForExitAsync().WaitAsync(Patience);
        Assert.Equal(0, guardian.ExitCode);
        guardian.Dispose();
        Assert.False(Directory.Exists(left));
    }

    [Fact]
    public async Task A_daemon_whose_starter_has_gone_before_it_was_told_ends()
    {
        using Process daemon = Begin("daemon-root");
        daemon.StandardOutput.Close();
        await daemon.WaitForExitAsync().WaitAsync(Patience);
        Assert.Equal(0, daemon.ExitCode);
        Assert.Contains(StarterHasEnded, RootLog, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_whose_starter_dies_behind_that_ends()
    {
        // The shell is the starter, and ends when its standard input does.
        using Process shell = Begin("sh", "-c", "\"$@\" </dev/null & read -r line", "sh", "dotnet", Program, "daemon-root");
        Assert.Equal("ready", await shell.StandardOutput.ReadLineAsync().WaitAsync(Patience));
        int id;
        await using (ControlConnection? connection = ControlConnection.TryConnect(RootSocket))
            id = connection!.PeerProcess;
        using Process daemon = Process.GetProcessById(id);
        shell.StandardInput.Close();
        await daemon.WaitForExitAsync().WaitAsync(Patience);
        Assert.Contains(StarterHasEnded, RootLog, StringComparison.Ordinal);
    }

    private Process Begin(params string[] arguments)
    {
        string[] line = arguments[0] switch
        {
            "sh" => arguments,
            "daemon-root" => ["dotnet", Program, .. arguments],
            _ => ["dotnet", typeof(DaemonLauncherTests).Assembly.Location, .. arguments],
        };
        ProcessStartInfo start = new(line[0], line[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string name in (ReadOnlySpan<string>)["RUNTIME", "STATE", "LOG"])
            start.Environment[$"TELEPRESENCE_{name}_DIR"] = Path.Combine(_directory.FullName, name);
        return Process.Start(start)!;
    }
}
