using System.Text.Json;

using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Launch.Volumes;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>The flag --mount, and what travels to the process that mounts.</summary>
public sealed class MountOptionTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("mount-option-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void It_is_true_false_or_a_directory()
    {
        Assert.Equal(new MountOption(true, null), MountOption.Parse("true"));
        Assert.Equal(new MountOption(false, null), MountOption.Parse("false"));
        Assert.Equal(new MountOption(true, _directory), MountOption.Parse(_directory + "/"));
        Assert.Equal(new MountOption(true, Path.GetFullPath("./pod")), MountOption.Parse("./pod"));
    }

    [Theory]
    [InlineData("", "--mount needs a directory, true or false.")]
    [InlineData("/etc/passwd", "--mount /etc/passwd: this is a file; name a directory that is empty or does not exist.")]
    [InlineData("/etc", "--mount /etc: this directory is not empty; name one that is, or that does not exist.")]
    public void A_place_that_cannot_be_used_is_refused(string text, string sentence)
    {
        UserError error = Assert.Throws<UserError>(() => MountOption.Parse(text));
        Assert.Equal((ExitCode.BadArguments, sentence), (error.ExitCode, error.Message));
    }

    [Fact]
    public void A_directory_belongs_to_one_session_until_that_ends()
    {
        using (Tunnel.Io.FileDescriptor claim = MountClaim.TryTake(_directory)!)
        {
            Assert.NotNull(claim);
            Assert.Null(MountClaim.TryTake(_directory));
        }

        // A process that is just being started here, before it runs its own program, has a copy of every descriptor.
        Tunnel.Io.FileDescriptor? next = null;
        Assert.True(SpinWait.SpinUntil(() => (next = MountClaim.TryTake(_directory)) is not null, TimeSpan.FromSeconds(60)));
        next!.Dispose();
    }

    [Fact]
    public void Request_and_report_keep_everything_on_their_way()
    {
        VolumeRequest request = new() { Root = "/r", Sshfs = true, Mounts = [new ContainerMount("/etc/config", "config", "configMap", true, "key")], Kept = ["/home"], Uid = 1000 };
        VolumeRequest read = JsonSerializer.Deserialize(JsonSerializer.Serialize(request, VolumeJson.Default.VolumeRequest), VolumeJson.Default.VolumeRequest)!;
        Assert.Equal(request.Mounts, read.Mounts);
        Assert.Equal((request.Root, request.Sshfs, request.Uid, request.Kept[0]), (read.Root, read.Sshfs, read.Uid, read.Kept[0]));
        VolumeReport report = new() { Volumes = [new PlacedVolume { Path = "/etc/config", AtRealPath = true, Problem = "none" }] };
        Assert.Equal(report.Volumes, JsonSerializer.Deserialize(JsonSerializer.Serialize(report, VolumeJson.Default.VolumeReport), VolumeJson.Default.VolumeReport)!.Volumes);
    }
}
