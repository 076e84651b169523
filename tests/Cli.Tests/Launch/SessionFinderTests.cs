using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Tests.Launch;

public sealed class SessionFinderTests : IDisposable
{
    private const uint Jane = 65533;

    private readonly string _runtime = Directory.CreateTempSubdirectory("telepresence-test-").FullName;

    public void Dispose() => Directory.Delete(_runtime, recursive: true);

    [Fact]
    public void A_session_in_a_directory_of_somebody_else_is_none()
    {
        Make(Jane);
        Assert.Single(SessionPlaces.ControlSockets(User(Jane)));
        Posix.ChangeOwner(Path.Combine(_runtime, "telepresence"), 65534, 65534);
        Assert.Empty(SessionPlaces.ControlSockets(User(Jane)));
    }

    [Fact]
    public void A_session_in_a_directory_that_others_may_enter_is_none()
    {
        string directory = Make(Jane);
        File.SetUnixFileMode(directory, DaemonPaths.Private | UnixFileMode.OtherExecute);
        Assert.Empty(SessionPlaces.ControlSockets(User(Jane)));
    }

    private string Make(uint owner)
    {
        string directory = "";
        foreach (string part in (string[])["telepresence", "telepresence/sessions", "telepresence/sessions/one"])
        {
            directory = Directory.CreateDirectory(Path.Combine(_runtime, part), DaemonPaths.Private).FullName;
            Posix.ChangeOwner(directory, owner, owner);
        }

        File.WriteAllText(Path.Combine(directory, SessionPlaces.ControlSocket), "");
        return directory;
    }

    private InvokingUser User(uint uid) => new(uid, uid, "jane", _runtime, new Dictionary<string, string> { ["XDG_RUNTIME_DIR"] = _runtime });
}
