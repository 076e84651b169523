using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>How a copy becomes another one while somebody reads it.</summary>
public sealed class VolumeCopyTests : IDisposable
{
    private readonly string _base = Directory.CreateTempSubdirectory("copy-").FullName;

    private string Live => Path.Combine(_base, "live");

    private string Fresh => Path.Combine(_base, "fresh");

    public void Dispose() => Directory.Delete(_base, recursive: true);

    [Fact]
    public async Task A_reader_never_sees_files_of_two_times()
    {
        MakeVolume(Live, "0");
        using CancellationTokenSource done = new();
        int seen = 0;
        Task reader = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                string directory = Path.Combine(Live, new FileInfo(Path.Combine(Live, "..data")).LinkTarget!);
                try
                {
                    string first = File.ReadAllText(Path.Combine(directory, "a")), second = File.ReadAllText(Path.Combine(directory, "b"));
                    Assert.Equal(first, second);
                    Assert.NotEmpty(File.ReadAllText(Path.Combine(Live, "a")));
                    seen++;
                }
                catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
                {
                    // It was replaced after the link was read, by us or by the kernel on its way; kubelet takes it away as well.
                    Assert.NotNull(new FileInfo(Path.Combine(Live, "a")).LinkTarget);
                }
            }
        });
        for (int time = 1; time <= 200 || Volatile.Read(ref seen) == 0; time++)
        {
            MakeVolume(Fresh, $"{time}");
            VolumeCopy.Replace(Fresh, Live);
            Directory.Delete(Fresh, recursive: true);
            Assert.Equal($"{time}", File.ReadAllText(Path.Combine(Live, "b")));
        }

        await done.CancelAsync();
        await reader;
        Assert.Equal(4, Directory.EnumerateFileSystemEntries(Live).Count());
    }

    [Fact]
    public void What_has_not_changed_stays_the_same_file_and_the_directory_stays_itself()
    {
        Write("live/same", "same");
        Write("live/changes", "old");
        Write("live/goes", "old");
        Write("live/sub/same", "same");
        ulong directory = Inode("live/sub"), same = Inode("live/same"), below = Inode("live/sub/same"), changes = Inode("live/changes");
        Write("fresh/same", "same");
        Write("fresh/changes", "new");
        Write("fresh/sub/same", "same");
        Write("fresh/sub/new", "new");
        VolumeCopy.Replace(Fresh, Live);
        Assert.Equal((directory, same, below), (Inode("live/sub"), Inode("live/same"), Inode("live/sub/same")));
        Assert.NotEqual(changes, Inode("live/changes"));
        Assert.Equal(["changes", "same", "sub", "sub/new", "sub/same"], Names());
        Assert.Equal("new", File.ReadAllText(Path.Combine(Live, "changes")));
    }

    [Fact]
    public void Files_directories_and_links_can_take_each_others_places()
    {
        Write("live/a", "file");
        Write("live/b/file", "in a directory");
        Directory.CreateSymbolicLink(Path.Combine(Live, "c"), "b");
        Directory.CreateSymbolicLink(Path.Combine(Live, "d"), "b");
        Write("fresh/a/file", "in a directory");
        Directory.CreateSymbolicLink(Path.Combine(Fresh, "b"), "a");
        Write("fresh/c", "file");
        Write("fresh/d/file", "in a directory");
        VolumeCopy.Replace(Fresh, Live);
        Assert.Equal(["a", "a/file", "b", "c", "d", "d/file"], Names());
        Assert.Equal("a", new FileInfo(Path.Combine(Live, "b")).LinkTarget);
    }

    [Fact]
    public void A_file_of_its_own_is_changed_in_place_because_it_may_be_mounted()
    {
        Write("live", "old and longer");
        Write("fresh", "new");
        ulong before = Inode("live");
        VolumeCopy.Replace(Fresh, Live);
        Assert.Equal("new", File.ReadAllText(Live));
        Assert.Equal(before, Inode("live"));
    }

    private static void MakeVolume(string directory, string text)
    {
        string dated = Directory.CreateDirectory(Path.Combine(directory, $"..{text}")).FullName;
        File.WriteAllText(Path.Combine(dated, "a"), text);
        File.WriteAllText(Path.Combine(dated, "b"), text);
        File.CreateSymbolicLink(Path.Combine(directory, "..data"), $"..{text}");
        File.CreateSymbolicLink(Path.Combine(directory, "a"), "..data/a");
        File.CreateSymbolicLink(Path.Combine(directory, "b"), "..data/b");
    }

    private void Write(string path, string text)
    {
        string full = Path.Combine(_base, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
        File.SetLastWriteTimeUtc(full, DateTime.UnixEpoch);
    }

    private ulong Inode(string path)
    {
        Assert.Equal(0, FileStatus.Read(Path.Combine(_base, path), follow: false, out FileStatus status));
        return status.Inode;
    }

    private string[] Names() =>
        [.. new DirectoryInfo(Live).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(entry => Path.GetRelativePath(Live, entry.FullName)).Where(static name => !name.StartsWith("b/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
}
