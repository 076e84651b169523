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

    // As a session that begins looks into the journal of another one, finds nothing, and removes it.
    [Fact]
    public async Task A_journal_that_was_removed_before_it_was_locked_is_made_anew()
    {
        int opened = 0;
        using Journal journal = Journal.OpenAt(JournalPath, path =>
        {
            FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (opened++ < 2)
                File.Delete(path);
            if (opened == 2)
                File.WriteAllText(path, "");
            return file;
        });
        await journal.ApplyAsync(new MountPointsChange([]), default);
        Assert.Equal(3, opened);
        Assert.NotEqual(0, new FileInfo(JournalPath).Length);
    }

    [Fact]
    public void A_journal_that_somebody_keeps_removing_is_given_up() =>
        Assert.Throws<IOException>(() => Journal.OpenAt(JournalPath, static path =>
        {
            FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.Delete(path);
            return file;
        }));

    [Fact]
    public async Task Whoever_takes_back_what_a_dead_process_left_says_so_in_the_file()
    {
        FileEditChange impossible = new("no\0path", "", "text", Existed: true, Path.Combine(_directory, "overlay"));
        using (Journal living = Journal.OpenAt(JournalPath))
        {
            await living.ApplyAsync(impossible, default).ContinueWith(static _ => { }, TaskScheduler.Default);
            Assert.NotEmpty(await living.UndoAllAsync(default));
            Assert.False(Journal.IsBeingUndone(JournalPath));
        }

        using Journal dead = Journal.OpenAt(JournalPath);
        Assert.True(Journal.IsBeingUndone(JournalPath));
    }

    [Fact]
    public void Only_its_owner_can_read_it()
    {
        using Journal journal = Journal.OpenAt(JournalPath);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(JournalPath));
    }
}
