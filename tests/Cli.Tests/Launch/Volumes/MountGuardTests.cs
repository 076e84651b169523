using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Volumes;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>Root, which the tests are, does it for an ordinary user.</summary>
public sealed class MountGuardTests : IDisposable
{
    private const uint Jane = 65533;

    private readonly MountGuard _guard = new(new HolderUser(Jane, Jane, []));
    private readonly string _home = Directory.CreateTempSubdirectory("telepresence-test-").FullName;

    public MountGuardTests() => Posix.ChangeOwner(_home, Jane, Jane);

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Theory]
    [InlineData("/etc")]
    [InlineData("/etc/ld.so.preload")]
    [InlineData("/etc/pam.d/sudo")]
    [InlineData("/etc/sudoers.d")]
    [InlineData("/etc/ssl")]
    [InlineData("/usr/local/bin")]
    [InlineData("/lib/x86_64-linux-gnu")]
    [InlineData("/")]
    [InlineData("/run")]
    public void What_root_s_programs_trust_is_not_covered(string path) => Assert.Throws<IOException>(() => _guard.Check(path));

    [Theory]
    [InlineData("/run/secrets/kubernetes.io/serviceaccount")]
    [InlineData("/etc/ssl/certs")]
    [InlineData("/etc/app")]
    [InlineData("/var/lib/app")]
    [InlineData("/data")]
    public void The_rest_may_be_covered(string path) => _guard.Check(path);

    [Fact]
    public void A_link_in_place_of_a_target_is_not_followed()
    {
        string link = Path.Combine(_home, "volume");
        File.CreateSymbolicLink(link, "/srv");
        Assert.Throws<IOException>(() => _guard.Target(link));
        using MountPlace place = _guard.Target(_home);
        Assert.StartsWith("/proc/self/fd/", place.Path, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_somebody_else_s_is_not_shown()
    {
        Assert.Throws<IOException>(() => _guard.Source("/root"));
        _guard.Source(_home).Dispose();
    }

    [Fact]
    public void Names_in_the_user_s_directories_are_made_with_the_user_s_rights()
    {
        File.SetUnixFileMode(_home, DaemonPaths.Private);
        _guard.Make(_home, ["one", "two"], isDirectory: false, isVeil: false);
        Assert.Equal([Jane, Jane], new[] { "one", "one/two" }.Select(name => Posix.OwnerOf(Path.Combine(_home, name))));
        File.CreateSymbolicLink(Path.Combine(_home, "link"), "/root");
        Assert.ThrowsAny<Exception>(() => _guard.Make(_home, ["link", "made"], isDirectory: true, isVeil: false));
        Assert.False(Directory.Exists("/root/made"));

        // And root is root again.
        string own = Path.Combine(_home, "own");
        File.WriteAllText(own, "");
        Assert.Equal(0u, Posix.OwnerOf(own));
    }

    [Fact]
    public void A_directory_that_is_said_to_be_ours_and_is_not_gets_nothing() =>
        Assert.Throws<IOException>(() => _guard.Make(_home, ["one"], isDirectory: true, isVeil: true));
}
