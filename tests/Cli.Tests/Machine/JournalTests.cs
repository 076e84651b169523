using Telepresence.Cli.Launch.Volumes;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Tests.Machine;

public sealed class JournalTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("journal").FullName;

    private string JournalPath => Path.Combine(_directory, "journal");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task What_a_killed_process_left_is_open_for_the_next_one_newest_last()
    {
        using (Journal first = Journal.OpenAt(JournalPath))
        {
            await first.ApplyAsync(new RoutesChange(4, 7700), default);
            await first.ApplyAsync(new RoutesChange(6, 7700), default);
        }

        using Journal second = Journal.OpenAt(JournalPath);
        Assert.Equal([new RoutesChange(4, 7700), new RoutesChange(6, 7700)], second.Open);
    }

    [Fact]
    public async Task A_change_is_noted_before_it_is_made()
    {
        using (Journal journal = Journal.OpenAt(JournalPath))
        {
            LinkChange impossible = new("no-such-link0", 1500, []);
            await Assert.ThrowsAsync<IOException>(() => journal.ApplyAsync(impossible, default));
        }

        using Journal next = Journal.OpenAt(JournalPath);
        Assert.IsType<LinkChange>(Assert.Single(next.Open));
        Assert.Empty(await next.UndoAllAsync(default));
        Assert.Empty(next.Open);
    }

    [Fact]
    public async Task What_was_undone_is_not_undone_again()
    {
        using (Journal journal = Journal.OpenAt(JournalPath))
        {
            await journal.ApplyAsync([new LinkChange("no-such-link0", 65536, [])], default).ContinueWith(static _ => { }, TaskScheduler.Default);
            RoutesChange kept = new(4, 1);
            await journal.ApplyAsync(kept, default);
            await journal.UndoAsync(kept, default);
        }

        using Journal next = Journal.OpenAt(JournalPath);
        Assert.IsType<LinkChange>(Assert.Single(next.Open));
    }

    [Fact]
    public async Task A_line_that_a_crash_cut_off_is_ignored_and_the_file_stays_usable()
    {
        using (Journal journal = Journal.OpenAt(JournalPath))
            await journal.ApplyAsync(new RoutesChange(4, 7700), default);
        await File.AppendAllTextAsync(JournalPath, "{\"id\":2,\"chan");
        using (Journal journal = Journal.OpenAt(JournalPath))
        {
            Assert.Single(journal.Open);
            await journal.ApplyAsync(new RoutesChange(6, 7700), default);
        }

        using Journal next = Journal.OpenAt(JournalPath);
        Assert.Equal(2, next.Open.Count);
    }

    [Theory]
    [InlineData("\0\0\0\0")]
    [InlineData("{\"id\":2,\"change\":{\"kind\":\"of a later version\"}}")]
    [InlineData("null")]
    [InlineData("{\"id\":2,\"change\":{\"kind\":\"link\",\"name\":7}}")]
    public async Task A_line_that_makes_no_sense_is_set_aside_and_the_others_are_undone(string damaged)
    {
        using (Journal journal = Journal.OpenAt(JournalPath))
            await journal.ApplyAsync(new LinkChange("no-such-link0", 1500, []), default).ContinueWith(static _ => { }, TaskScheduler.Default);
        await File.AppendAllTextAsync(JournalPath, damaged + "\n");
        using (Journal journal = Journal.OpenAt(JournalPath))
        {
            Assert.Contains(damaged, await File.ReadAllTextAsync(journal.SetAside!), StringComparison.Ordinal);
            Assert.Single(journal.Open);
            Assert.Empty(await journal.UndoAllAsync(default));
        }

        using Journal next = Journal.OpenAt(JournalPath);
        Assert.Null(next.SetAside);
        Assert.Empty(next.Open);
    }

    [Fact]
    public async Task A_change_that_cannot_be_undone_does_not_stop_the_others_whatever_it_throws()
    {
        using Journal journal = Journal.OpenAt(JournalPath);
        FileEditChange impossible = new("no\0path", "", "text", Existed: true, Path.Combine(_directory, "overlay"));
        await journal.ApplyAsync(new LinkChange("no-such-link0", 1500, []), default).ContinueWith(static _ => { }, TaskScheduler.Default);
        await journal.ApplyAsync(impossible, default).ContinueWith(static _ => { }, TaskScheduler.Default);
        await journal.ApplyAsync(new LinkChange("no-such-link1", 1500, null!), default).ContinueWith(static _ => { }, TaskScheduler.Default);
        Assert.StartsWith("no\0path could not be taken back", Assert.Single(await journal.UndoAllAsync(default)), StringComparison.Ordinal);
        Assert.Equal([impossible], journal.Open);
    }

    [Fact]
    public void The_journal_of_a_process_that_lives_cannot_be_opened()
    {
        using Journal journal = Journal.OpenAt(JournalPath);
        Assert.True(Journal.IsTaken(Assert.Throws<IOException>(() => Journal.OpenAt(JournalPath))));
        Assert.False(Journal.IsTaken(Assert.ThrowsAny<IOException>(() => Journal.OpenAt($"{JournalPath}/inside-a-file"))));
    }

    // As sessions that begin at the same time look into each other's journals, and remove those that are empty.
    [Fact]
    public async Task What_is_noted_is_in_the_file_of_that_name_though_others_remove_it_when_they_are_done()
    {
        await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(NoteAndRemoveAsync)));

        async Task NoteAndRemoveAsync()
        {
            for (int i = 0; i < 3000; i++)
            {
                using Journal journal = OpenAtLast();
                await journal.ApplyAsync(new MountPointsChange([]), default);
                Assert.NotEqual(0, new FileInfo(JournalPath).Length);
                File.Delete(JournalPath);
            }
        }

        Journal OpenAtLast()
        {
            while (true)
            {
                try
                {
                    return Journal.OpenAt(JournalPath);
                }
                catch (IOException fault) when (Journal.IsTaken(fault))
                {
                    // Again at once: it is the moment between opening and locking that is sought.
                }
            }
        }
    }

    [Fact]
    public void Only_its_owner_can_read_it()
    {
        using Journal journal = Journal.OpenAt(JournalPath);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(JournalPath));
    }
}
