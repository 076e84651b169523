using Telepresence.Cli.Launch.Volumes;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>Where volumes go on a machine that has other things there.</summary>
public sealed class PlacementTests : IPlaces
{
    private static readonly VolumeRequest Request = new()
    {
        Root = "/tmp/tel-abcdef/fs",
        Home = "/home/developer",
        Kept = ["/home/developer", "/home/developer/work", "/tmp", "/opt/telepresence"],
    };

    // A path that ends in / is a directory, one with > a link, others are files.
    private static readonly string[] Machine =
    [
        "/bin>/usr/bin", "/etc/", "/etc/config/", "/etc/app.conf", "/home/", "/home/developer/", "/home/developer/work/", "/home/developer/.kube/",
        "/opt/", "/opt/telepresence/", "/opt/dead>/nowhere", "/run/", "/run/docker.sock", "/tmp/", "/usr/", "/usr/bin/", "/var/", "/var/run>/run",
    ];

    [Theory]
    [InlineData("/etc/config", true, "Cover /etc/config")]
    [InlineData("/etc/app.conf", false, "Cover /etc/app.conf")]
    [InlineData("/var/run/secrets/kubernetes.io/serviceaccount", true, "Veil /run: /run/secrets/kubernetes.io/serviceaccount")]
    [InlineData("/etc/other/deep", true, "Veil /etc: /etc/other/deep")]
    [InlineData("/data", true, "Veil /: /data")]
    [InlineData("/data/a/b", true, "Veil /: /data/a/b")]
    [InlineData("/home/developer/app", true, "Make /home/developer: /home/developer/app")]
    [InlineData("/tmp/cache/deep", true, "Make /tmp: /tmp/cache/deep")]
    public void A_volume_goes_to_its_real_path(string path, bool isDirectory, string expected) => Assert.Equal(expected, Plan(path, isDirectory));

    [Theory]
    [InlineData("/etc/config", false, "Veil /etc: /etc/config")]
    [InlineData("/etc/app.conf", true, "Veil /etc: /etc/app.conf")]
    [InlineData("/etc/app.conf/below", true, "Veil /etc: /etc/app.conf/below")]
    [InlineData("/opt/dead", true, "Veil /opt: /opt/dead")]
    public void Something_of_another_sort_is_left_out_of_the_veil(string path, bool isDirectory, string expected) => Assert.Equal(expected, Plan(path, isDirectory));

    [Theory]
    [InlineData("/", "this machine's own is needed there")]
    [InlineData("/tmp", "this machine's own is needed there")]
    [InlineData("/etc", "this machine's own is needed there")]
    [InlineData("/var/run", "this machine's own is needed there")]
    [InlineData("/dev/shm", "this machine's own is needed there")]
    [InlineData("/proc/fs", "this machine's own is needed there")]
    [InlineData("/opt", "this machine's own is needed there")]
    [InlineData("/opt/telepresence", "this machine's own is needed there")]
    [InlineData("/home/developer", "this machine's own is needed there")]
    [InlineData("/home/developer/work", "this machine's own is needed there")]
    [InlineData("/home/developer/.kube", "what is in the home directory is not covered")]
    public void What_the_user_needs_is_never_covered(string path, string why) =>
        Assert.Equal($"Leave: The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: {why}.", Plan(path, isDirectory: true));

    [Fact]
    public void A_file_on_the_way_to_a_place_of_the_users_own_stays() =>
        Assert.Equal(
            "Leave: The pod's volume at /opt/telepresence/x is only at $TELEPRESENCE_ROOT/opt/telepresence/x: /opt/telepresence is something else on this machine.",
            Describe(Placement.Plan("/opt/telepresence/x", true, Request, new OneFile())));

    [Fact]
    public void What_lies_below_another_volume_comes_with_it() =>
        Assert.Equal(["/etc/config", "/data", "/etc/configuration"], VolumePaths.Outermost(["/etc/config", "/etc/config/sub", "/data", "/data", "/etc/configuration"]));

    bool IPlaces.Exists(string path) => Find(path) is not null;

    bool? IPlaces.IsDirectory(string path) => Find(path) is { } entry ? Find(((IPlaces)this).Resolve(path))?.EndsWith('/') : null;

    string IPlaces.Resolve(string path) => Find(path) is { } entry && entry.Contains('>', StringComparison.Ordinal) ? entry.Split('>')[1] : path;

    bool IPlaces.IsGround(string directory) => VolumePaths.IsBelow(directory, "/home/developer") || VolumePaths.IsBelow(directory, "/tmp");

    private static string? Find(string path) =>
        Machine.FirstOrDefault(entry => entry == path || entry == path + "/" || entry.StartsWith(path + ">", StringComparison.Ordinal));

    private string Plan(string path, bool isDirectory) => Describe(Placement.Plan(path, isDirectory, Request, this));

    private static string Describe(Placement placement) => placement.Way switch
    {
        PlacementWay.Leave => $"Leave: {placement.Note}",
        PlacementWay.Cover => $"Cover {placement.Target}",
        _ => $"{placement.Way} {placement.Parent}: {placement.Target}",
    };

    private sealed class OneFile : IPlaces
    {
        public bool Exists(string path) => true;

        public bool? IsDirectory(string path) => path == "/opt";

        public string Resolve(string path) => path;

        public bool IsGround(string directory) => false;
    }
}
