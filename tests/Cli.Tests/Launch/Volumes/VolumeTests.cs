namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>The pod's volumes on a developer's machine: real proxy, real sftp-server, real sshfs, real mounts.</summary>
public sealed class VolumeTests : IDisposable
{
    private static readonly string[] Everything =
        [$"{PodFiles.ServiceAccount},projected", "/etc/config,configMap", "/data,persistentVolumeClaim", "/etc/app/app.conf,configMap,app.conf"];

    private readonly PodFiles _pod = new();

    public void Dispose() => _pod.Dispose();

    public static TheoryData<Account, bool> Machines => new()
    {
        { Account.Root, true }, { Account.Root, false }, { Account.Ordinary, true }, { Account.Ordinary, false },
    };

    [Theory]
    [MemberData(nameof(Machines))]
    public void Volumes_are_at_their_real_paths_and_under_the_root(Account account, bool fuse)
    {
        using Laptop laptop = new(_pod, account, fuse, Everything);
        Assert.True(laptop.Method == (fuse ? "sshfs" : "copy"), laptop.Notes + laptop.Error);
        foreach (string root in (string[])["", "$TELEPRESENCE_ROOT"])
        {
            Assert.Equal("token 1\n", laptop.Run($"cat {root}{PodFiles.ServiceAccount}/token"));
            Assert.Equal("certificate\n", laptop.Run($"cat {root}{PodFiles.ServiceAccount}/ca.crt"));
            Assert.Equal("blue\nlarge\n", laptop.Run($"cat {root}/etc/config/color {root}/etc/config/size"));
            Assert.Equal("42\n", laptop.Run($"cat {root}/data/number"));
            Assert.Equal("one file\n", laptop.Run($"cat {root}/etc/app/app.conf"));
        }

        Assert.Equal($"{PodFiles.ServiceAccount}:/etc/config:/data:/etc/app/app.conf\n", laptop.Run("echo $TELEPRESENCE_MOUNTS"));
    }
}
