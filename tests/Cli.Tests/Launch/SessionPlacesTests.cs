using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Tests.Launch;

public sealed class SessionPlacesTests : IDisposable
{
    private readonly string _runtime = Directory.CreateTempSubdirectory("telepresence-test-").FullName;

    public void Dispose() => Directory.Delete(_runtime, recursive: true);

    [Fact]
    public void A_session_s_directory_is_the_user_s_alone()
    {
        string directory = Make("one");
        Assert.StartsWith(_runtime, directory, StringComparison.Ordinal);
        Assert.Equal(DaemonPaths.Private, File.GetUnixFileMode(directory));
    }

    [Fact]
    public void A_directory_that_others_may_enter_is_refused()
    {
        Directory.CreateDirectory(SessionPlaces.Sessions(User), DaemonPaths.Private | UnixFileMode.OtherExecute);
        UserError error = Assert.Throws<UserError>(() => Make("one"));
        Assert.Equal(ExitCode.DaemonStart, error.ExitCode);
        Assert.Contains("nobody else may enter", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_of_somebody_else_is_refused()
    {
        string sessions = Directory.CreateDirectory(SessionPlaces.Sessions(User), DaemonPaths.Private).FullName;
        Posix.ChangeOwner(sessions, 65534, 65534);
        Assert.Throws<UserError>(() => Make("one"));
    }

    [Fact]
    public async Task The_undo_removes_a_session_s_directory_and_what_is_in_it()
    {
        string directory = Make("one");
        File.WriteAllText(Path.Combine(directory, "file"), "x");
        SessionDirectoryChange change = new(directory);
        await change.UndoAsync(default);
        Assert.False(Directory.Exists(directory));
        await change.UndoAsync(default);
    }

    [Fact]
    public async Task The_journals_of_dead_sessions_are_undone_and_those_of_the_living_are_not()
    {
        List<string> told = [];
        string dead = SessionPlaces.Of(User, "dead"), living = SessionPlaces.Of(User, "living");
        using (Journal journal = Journal.OpenAt(SessionPlaces.Journal(User, "dead")))
            await journal.ApplyAsync(new SessionDirectoryChange(dead) { User = User }, default);
        using Journal held = Journal.OpenAt(SessionPlaces.Journal(User, "living"));
        await held.ApplyAsync(new SessionDirectoryChange(living) { User = User }, default);

        Assert.Empty(await SessionJournals.UndoDeadAsync(User, SessionJournals.LongestUndo, told.Add, default));
        Assert.Equal([$"Taking back what an earlier session left: directory {dead}"], told);

        Assert.False(Directory.Exists(dead));
        Assert.False(File.Exists(SessionPlaces.Journal(User, "dead")));
        Assert.True(Directory.Exists(living));
    }

    // The kernel closes the files of a process that was killed one after another: its guardian's pipe may end before the lock does.
    [Fact]
    public async Task A_guardian_undoes_though_the_journal_is_locked_for_a_moment_longer()
    {
        string directory = SessionPlaces.Of(User, "dying"), path = SessionPlaces.Journal(User, "dying");
        Task<IReadOnlyList<string>> undoing;
        using (Journal dying = Journal.OpenAt(path))
        {
            await dying.ApplyAsync(new SessionDirectoryChange(directory) { User = User }, default);
            undoing = SessionJournals.UndoDyingAsync(path, SessionJournals.LongestUndo, static _ => { }, default);
            Assert.False(undoing.IsCompleted);
            Assert.True(Directory.Exists(directory));
        }

        Assert.Empty(await undoing);
        Assert.False(Directory.Exists(directory));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task A_session_that_begins_waits_for_a_guardian_that_takes_back_what_another_left()
    {
        List<string> told = [];
        string path = SessionPlaces.Journal(User, "dead");
        using (Journal dead = Journal.OpenAt(path))
            await dead.ApplyAsync(new FileEditChange("no\0path", "", "text", Existed: true, Path.Combine(_runtime, "overlay")), default).ContinueWith(static _ => { }, TaskScheduler.Default);
        Task<IReadOnlyList<string>> undoing;
        using (Journal guardian = Journal.OpenAt(path))
        {
            undoing = SessionJournals.UndoDeadAsync(User, SessionJournals.LongestUndo, told.Add, default);
            Assert.False(undoing.IsCompleted);
            Assert.Equal(["Waiting until what an earlier session left is taken back"], told);
        }

        Assert.StartsWith("no\0path could not be taken back", (await undoing)[0], StringComparison.Ordinal);
    }

    private string Make(string id)
    {
        string directory = SessionPlaces.Of(User, id);
        SessionPlaces.Make(User, directory);
        return directory;
    }

    private InvokingUser User => new(0, 0, "tester", _runtime, new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = _runtime, ["XDG_STATE_HOME"] = Path.Combine(_runtime, "state") });
}
