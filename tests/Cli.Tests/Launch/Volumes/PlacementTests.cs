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
        Programs = ["/home/developer/tools", "/srv/java/bin", "/srv/jdk-25/bin"],
    };

    // A path that ends in / is a directory, one with > a link, others are files.
    private static readonly string[] Machine =
    [
        "/bin>/usr/bin", "/etc/", "/etc/config/", "/etc/app.conf", "/home/", "/home/developer/", "/home/developer/work/", "/home/developer/.kube/", "/home/developer/notes/",
        "/opt/", "/opt/telepresence/", "/opt/dead>/nowhere", "/opt/local>/usr/local", "/run/", "/run/docker.sock", "/tmp/", "/usr/", "/usr/bin/", "/usr/local/",
        "/var/", "/var/run>/run", "/etc/passwd", "/etc/ssl/", "/etc/ssl/certs/", "/etc/ssl/certs/ca.pem", "/srv/", "/srv/java>/srv/jdk-25", "/srv/jdk-25/", "/srv/jdk-25/bin/",
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
    [InlineData("/home/developer/.kube", "settings and programs in the home directory stay this machine's own")]
    [InlineData("/home/developer/notes", "what is in the home directory is not covered")]
    public void What_the_user_needs_is_never_covered(string path, string why) =>
        Assert.Equal($"Leave: The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: {why}.", Plan(path, isDirectory: true));

    [Theory]
    [InlineData("/etc/ld.so.preload")]
    [InlineData("/etc/ld.so.conf.d/pod.conf")]
    [InlineData("/etc/ld-musl-x86_64.path")]
    [InlineData("/etc/passwd")]
    [InlineData("/etc/shadow")]
    [InlineData("/etc/nsswitch.conf")]
    [InlineData("/etc/resolv.conf")]
    [InlineData("/etc/hosts")]
    [InlineData("/etc/profile.d/pod.sh")]
    [InlineData("/etc/bash.bashrc")]
    [InlineData("/etc/pam.d")]
    [InlineData("/etc/sudoers.d/pod")]
    [InlineData("/etc/gitconfig")]
    [InlineData("/etc/alternatives/editor")]
    [InlineData("/etc/ssl")]
    [InlineData("/etc/ssl/openssl.cnf")]
    [InlineData("/usr/local/bin")]
    [InlineData("/usr/local/bin/kubectl")]
    [InlineData("/usr/lib/x86_64-linux-gnu/libz.so.1")]
    [InlineData("/lib32/libc.so.6")]
    [InlineData("/bin/new")]
    [InlineData("/opt/local/new")]
    [InlineData("/srv/java")]
    [InlineData("/srv/jdk-25")]
    [InlineData("/srv/jdk-25/bin/java")]
    [InlineData("/home/developer/tools")]
    [InlineData("/home/developer/tools/kubectl")]
    public void Nothing_comes_to_where_programs_and_what_they_believe_come_from(string path)
    {
        string leave = $"Leave: The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: this machine's own is needed there.";
        Assert.Equal(leave, Plan(path, isDirectory: true));
        Assert.Equal(leave, Plan(path, isDirectory: false));
    }

    [Theory]
    [InlineData("/etc/ssl/certs", true, "this machine's own is needed there")]
    [InlineData("/etc/ssl/certs/ca.pem", false, "this machine's own is needed there")]
    [InlineData("/etc/ssl/certs", false, "/etc/ssl/certs is something else on this machine")]
    [InlineData("/etc/ssl/certs/ca.pem", true, "/etc/ssl/certs/ca.pem is something else on this machine")]
    public void Certificates_that_are_there_stay(string path, bool isDirectory, string why) =>
        Assert.Equal($"Leave: The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: {why}.", Plan(path, isDirectory));

    [Theory]
    [InlineData("/home/developer/.bashrc")]
    [InlineData("/home/developer/.config/git/config")]
    [InlineData("/home/developer/bin")]
    public void Settings_in_the_home_directory_are_not_made_either(string path) =>
        Assert.EndsWith(": settings and programs in the home directory stay this machine's own.", Plan(path, isDirectory: true), StringComparison.Ordinal);

    [Theory]
    [InlineData("/etc/ssl/certs/pod.pem", "Veil /etc/ssl/certs: /etc/ssl/certs/pod.pem")]
    [InlineData("/etc/ssl/pod", "Veil /etc/ssl: /etc/ssl/pod")]
    [InlineData("/etc/nginx/conf.d", "Veil /etc: /etc/nginx/conf.d")]
    [InlineData("/etc/hosting", "Veil /etc: /etc/hosting")]
    [InlineData("/srv/data", "Veil /srv: /srv/data")]
    [InlineData("/usrdata", "Veil /: /usrdata")]
    public void New_names_beside_them_are_made(string path, string expected) => Assert.Equal(expected, Plan(path, isDirectory: false));

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
