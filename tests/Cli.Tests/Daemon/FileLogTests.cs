using System.Diagnostics;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Variables;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class FileLogTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("file-log-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_session_s_log_replaces_the_one_before_and_is_its_user_s_alone()
    {
        string path = Path.Combine(_directory, "telepresence.log");
        File.WriteAllText(path, "of the session before");
        using (FileLog log = FileLog.Later(path, verbose: false))
        {
            log.Write("early");
            log.OpenNew();
            log.Write("late");
        }

        Assert.Equal(["early", "late"], File.ReadAllLines(path).Select(static line => line.Split(' ', 2)[1]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    // As root one could even delete /dev/null.
    [Fact]
    public void A_device_is_written_to_and_stays_what_it_is()
    {
        string path = Path.Combine(_directory, "null");
        using (Process mknod = Process.Start("mknod", ["--mode=666", path, "c", "1", "3"]))
            mknod.WaitForExit();
        using (FileLog log = FileLog.Later(path, verbose: false))
        {
            log.OpenNew();
            Assert.True(log.IsOpen);
            log.Write("nowhere");
        }

        EnvironmentFiles.Write(new LaunchOptions { LogFile = path, EnvJson = path, EnvFile = path }, new Dictionary<string, string> { ["NAME"] = "value" }, static _ => { });
        Assert.Equal(0, FileStatus.Read(path, follow: false, out FileStatus status));
        Assert.Equal((FileKind.Other, 0x1b6), (status.Kind, status.Mode & 0x1ff));
    }
}
