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
        { Account.Root, true }, { Account.Root, false }, { Account.Sudo, true }, { Account.Ordinary, true }, { Account.Ordinary, false },
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

        // Some of the kernel's files in the pod never end.
        Assert.Equal("", laptop.Run("ls -A $TELEPRESENCE_ROOT/proc 2>/dev/null || true"));
        Assert.Equal($"{PodFiles.ServiceAccount}:/etc/config:/data:/etc/app/app.conf\n", laptop.Run("echo $TELEPRESENCE_MOUNTS"));
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void A_rotated_token_is_seen_in_time_and_whole(Account account, bool fuse)
    {
        using Laptop laptop = new(_pod, account, fuse, Everything);
        string token = $"{PodFiles.ServiceAccount}/token";
        Assert.Equal("token 1\n", laptop.Run($"cat {token}"));
        string longer = $"token {new string('2', 5000)}\n";
        _pod.Rotate(PodFiles.ServiceAccount, ("token", longer), ("ca.crt", "certificate\n"), ("namespace", "default"));
        laptop.Until($"cat {token}", longer);
        Assert.Equal(longer, laptop.Run($"head -c $(stat -Lc %s {token}) {token}"));
        Assert.Equal(longer, laptop.Run($"cat $TELEPRESENCE_ROOT{token}"));
        _pod.Rotate("/etc/config", ("color", "red\n"), ("size", "small\n"), ("shape", "round\n"));
        laptop.Until("cat /etc/config/color /etc/config/size /etc/config/shape", "red\nsmall\nround\n");
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Writing_is_refused_at_once(Account account, bool fuse)
    {
        using Laptop laptop = new(_pod, account, fuse, Everything);
        foreach (string command in (string[])["echo x > /etc/config/new", "echo x >> /data/number", "rm -f /data/number", "mkdir /data/sub", "truncate -s 0 /etc/app/app.conf"])
        {
            (int code, string output) = laptop.Try($"timeout 5 sh -c '{command}'");
            Assert.True(code is not (0 or 124 or 137), $"{command}: exit {code}: {output}");
        }

        Assert.Equal("42\n", File.ReadAllText(_pod.Root + "/data/number"));
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Sudo)]
    [InlineData(Account.Ordinary)]
    [InlineData(Account.WithoutNamespace)]
    public void What_is_written_reaches_the_pod_where_that_was_asked_for(Account account)
    {
        File.SetUnixFileMode(_pod.Root + "/data", (UnixFileMode)0x1ff);
        using Laptop laptop = new(_pod, new Laptop.Options { Account = account, Writable = true }, "/data,persistentVolumeClaim");
        string data = account == Account.WithoutNamespace ? "$TELEPRESENCE_ROOT/data" : "/data";
        laptop.Run($"mkdir {data}/sub && echo written > {data}/sub/file && mv {data}/sub/file {data}/moved");
        Assert.Equal("written\n", File.ReadAllText(_pod.Root + "/data/moved"));
    }

    [Fact]
    public void Under_sudo_what_the_pod_sends_is_read_with_the_user_s_rights_and_covers_nothing_that_root_trusts()
    {
        Directory.CreateDirectory(_pod.Root + "/etc/pam.d");
        File.WriteAllText(_pod.Root + "/etc/pam.d/sudo", "auth sufficient pam_permit.so\n");
        using Laptop laptop = new(_pod, Account.Sudo, fuse: true, $"{PodFiles.ServiceAccount},projected", "/data,persistentVolumeClaim", "/etc/pam.d,configMap");
        Assert.Equal("65533\n", laptop.Run($"ps -o uid= -p $(pgrep -d, -x -P {laptop.Order("pid")} sshfs) | sort -u | tr -d ' '"));
        Assert.Equal("42\n", laptop.Run("setpriv --reuid=65533 --regid=65533 --clear-groups cat /data/number"));
        Assert.NotEqual(0, laptop.Try("grep pam_permit /etc/pam.d/sudo").Code);
        Assert.Contains("The pod's volume at /etc/pam.d is only at $TELEPRESENCE_ROOT/etc/pam.d: ", laptop.Notes, StringComparison.Ordinal);
        laptop.Run("grep pam_permit $TELEPRESENCE_ROOT/etc/pam.d/sudo");
        laptop.Run("ls -d /run/telepresence-[0-9]* && exit 1; exit 0");
    }

    [Fact]
    public void Volumes_that_cannot_be_mounted_cannot_be_written()
    {
        using Laptop laptop = new(_pod, new Laptop.Options { Fuse = false, Account = Account.Ordinary, Writable = true }, "/data,persistentVolumeClaim");
        Assert.Equal(
            "The pod's volumes cannot be written from here, because they cannot be mounted: /dev/fuse may not be opened by this user; leave --mount-write away to get a copy.",
            laptop.Error);
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void The_rest_of_the_machine_stays_as_it_is(Account account, bool fuse)
    {
        using Laptop laptop = new(_pod, account, fuse, [.. Everything, "/run/app/config,emptyDir", "/tmp,emptyDir"]);
        Assert.Equal("agent", laptop.AskAgent());
        Assert.Equal("4711\n", laptop.Run("cat /run/agent/pid"));
        Assert.Equal("/home/developer\n", laptop.Run("pwd"));
        laptop.Run("echo mine > note && grep -q mine /home/developer/note && touch /tmp/mine");
        laptop.Run("test -s /etc/passwd && test -c /dev/null && test -d /proc/self && ls -d /usr/bin/env /bin/sh");
        Assert.Contains("The pod's volume at /tmp is only at $TELEPRESENCE_ROOT/tmp: this machine's own is needed there.", laptop.Notes, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_that_the_tree_mounts_is_seen_outside_of_it(bool fuse)
    {
        using Laptop laptop = new(_pod, new Laptop.Options { Fuse = fuse, Shared = true }, Everything);
        Assert.Equal("42\n", laptop.Run("cat /data/number"));
        string mounts = laptop.Mounts;
        Assert.DoesNotContain("/tel-", mounts, StringComparison.Ordinal);
        Assert.DoesNotContain("/data", mounts, StringComparison.Ordinal);
        Assert.DoesNotContain("/etc/config", mounts, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Mount_points_in_the_users_own_directories_are_made_and_taken_away(Account account, bool fuse)
    {
        _pod.Write("/home/developer/app/config/key", "value\n");
        using Laptop laptop = new(
            _pod, new Laptop.Options { Account = account, Fuse = fuse, Afterwards = "cd /home/developer; find . | sort" }, "/home/developer/app/config,configMap");
        Assert.Equal("value\n", laptop.Run("cat app/config/key"));
        laptop.Run("echo mine > beside");
        Assert.Equal(".\n./beside\n./journal\n", laptop.StopAndLook());
    }

    [Fact]
    public void What_exists_in_the_home_directory_is_not_covered()
    {
        _pod.Write("/home/developer/config", "the pod's\n");
        using Laptop laptop = new(_pod, Account.Ordinary, fuse: true, "/home/developer/journal,configMap,config", "/home/developer,emptyDir");
        Assert.NotNull(laptop.Error);
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Ordinary)]
    [InlineData(Account.WithoutNamespace)]
    public void A_killed_sshfs_is_replaced(Account account)
    {
        using Laptop laptop = new(_pod, account, fuse: true, Everything);
        string config = account == Account.WithoutNamespace ? "$TELEPRESENCE_ROOT/etc/config" : "/etc/config";
        Assert.Equal("blue\n", laptop.Run($"cat {config}/color"));
        for (int time = 0; time < 2; time++)
        {
            Assert.Equal("1", laptop.Order("kill-sshfs"));
            laptop.Until($"cat {config}/color {config}/size", "blue\nlarge\n", seconds: 15);
        }
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void A_lost_link_and_a_lost_pod_are_survived(Account account, bool fuse)
    {
        using PodFiles other = new();
        other.Rotate("/etc/config", ("color", "green\n"), ("size", "large\n"));
        using Laptop laptop = new(_pod, account, fuse, Everything);
        Assert.Equal("0", laptop.Order("cut"));
        Assert.Equal("blue\n", laptop.Run("cat /etc/config/color"));
        Assert.DoesNotContain("mounted anew", laptop.Log, StringComparison.Ordinal);
        Assert.Equal("done", laptop.Order($"pod {other.Port}"));
        laptop.Until("cat /etc/config/color", "green\n", seconds: 15);
        laptop.Until("cat $TELEPRESENCE_ROOT/etc/config/color", "green\n");
        Assert.Equal("one file\n", laptop.Run("cat /etc/app/app.conf"));
        Assert.Equal("agent", laptop.AskAgent());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_a_namespace_volumes_are_under_the_root_alone(bool fuse)
    {
        using Laptop laptop = new(
            _pod, new Laptop.Options { Account = Account.WithoutNamespace, Fuse = fuse, Afterwards = Leftovers }, Everything);
        Assert.Equal(fuse ? "sshfs" : "copy", laptop.Method);
        Assert.Equal("token 1\n", laptop.Run($"cat $TELEPRESENCE_ROOT{PodFiles.ServiceAccount}/token"));
        Assert.Equal(1, laptop.Try("cat /data/number").Code);
        _pod.Rotate("/etc/config", ("color", "red\n"), ("size", "large\n"));
        laptop.Until("cat $TELEPRESENCE_ROOT/etc/config/color", "red\n");
        Assert.Equal("nothing else\n", laptop.StopAndLook());
    }

    [Theory]
    [InlineData(Account.WithoutNamespace, true)]
    [InlineData(Account.WithoutNamespace, false)]
    [InlineData(Account.Ordinary, true)]
    [InlineData(Account.Ordinary, false)]
    public void Nothing_is_left_when_the_session_was_killed_and_its_journal_is_undone(Account account, bool fuse)
    {
        using Laptop laptop = new(_pod, new Laptop.Options { Account = account, Fuse = fuse, Afterwards = Undo + Leftovers }, Everything);
        Assert.Equal("42\n", laptop.Run("cat $TELEPRESENCE_ROOT/data/number"));
        Assert.Equal("nothing else\n", laptop.Kill());
    }

    [Theory]
    [InlineData("/home/developer/pod", true, false)]
    [InlineData("/home/developer/pod", false, false)]
    [InlineData("/home/developer/pod", true, true)]
    [InlineData("/home/developer/pod", false, true)]
    public void The_root_is_where_the_user_wants_it(string path, bool fuse, bool exists)
    {
        string look = (exists ? "rmdir /home/developer/pod;" : "") + "ls /home/developer;" + Leftovers;
        using Laptop laptop = new(
            _pod, new Laptop.Options { Account = Account.Ordinary, Fuse = fuse, Mount = path, Before = exists ? $"mkdir {path}" : "", Afterwards = look }, Everything);
        Assert.Equal(path, laptop.Root);
        Assert.Equal("blue\n", laptop.Run($"cat {path}/etc/config/color"));
        Assert.Equal("journal\nnothing else\n", laptop.StopAndLook());
    }

    [Fact]
    public void A_root_that_another_session_has_is_refused()
    {
        using Laptop laptop = new(_pod, new Laptop.Options { Fuse = false, Mount = "/home/developer/pod", Before = "ln -s /run/agent /home/developer/pod" }, Everything);
        Assert.StartsWith("--mount /home/developer/pod: something is mounted there or it is a link, perhaps of another session", laptop.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void No_volumes_are_had_where_none_are_wanted()
    {
        using Laptop laptop = new(_pod, new Laptop.Options { Account = Account.Ordinary, Mount = "false" }, Everything);
        Assert.Equal("none", laptop.Method);
        Assert.Equal("\n", laptop.Run("echo $TELEPRESENCE_ROOT$TELEPRESENCE_MOUNTS"));
        Assert.NotEqual(0, laptop.Try("ls /data").Code);
    }

    [Theory]
    [InlineData(true, "The pod's secret volume \"volume-keys\" at /keys is not whole: key.pem has mode 0400 and may not be read by the proxy")]
    [InlineData(false, "The pod's volume at /keys cannot be copied: /keys/key.pem (mode 400, owner 0) may not be read by the proxy")]
    public void A_secret_that_the_proxy_may_not_read_is_an_error_that_names_the_file(bool fuse, string beginning)
    {
        _pod.Write("/keys/key.pem", "secret");
        File.SetUnixFileMode(_pod.Root + "/keys/key.pem", UnixFileMode.UserRead);
        using Laptop laptop = new(_pod, new Laptop.Options { Account = Account.Ordinary, Fuse = fuse, Afterwards = Leftovers }, "/keys,secret");
        Assert.StartsWith(beginning, laptop.Error, StringComparison.Ordinal);
        Assert.EndsWith("or go on without volumes: --mount false.", laptop.Error, StringComparison.Ordinal);
        Assert.Equal("nothing else\n", laptop.StopAndLook());
    }

    [Theory]
    [InlineData(true, "/empty,configMap", "is empty here although a configMap never is")]
    [InlineData(false, "/empty,configMap", "is empty here although a configMap never is")]
    [InlineData(true, "/missing,configMap", "at /missing cannot be reached: No such file or directory")]
    [InlineData(false, "/missing,configMap", "/missing: No such file or directory")]
    public void A_volume_that_is_not_there_as_a_whole_is_an_error(bool fuse, string mount, string sentence)
    {
        Directory.CreateDirectory(_pod.Root + "/empty");
        using Laptop laptop = new(_pod, Account.Ordinary, fuse, mount);
        Assert.Contains(sentence, laptop.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_large_volume_does_not_keep_others_from_being_copied()
    {
        _pod.Write("/large/config/key", "value\n");
        using (FileStream large = File.Create(_pod.Root + "/large/file"))
            large.SetLength(65 << 20);
        using Laptop laptop = new(_pod, Account.Ordinary, fuse: false, "/large,persistentVolumeClaim", "/large/config,configMap", "/data,emptyDir", "/missing,hostPath");
        Assert.Contains("The pod's volume at /large is not copied: /large holds more than 64 MiB, too much for a copy; with FUSE", laptop.Notes, StringComparison.Ordinal);
        Assert.Contains("The pod's volume at /missing is not copied: /missing: No such file or directory.", laptop.Notes, StringComparison.Ordinal);
        Assert.Equal("42\nvalue\n", laptop.Run("cat /data/number /large/config/key"));
        Assert.Equal("/large/config:/data\n", laptop.Run("echo $TELEPRESENCE_MOUNTS"));
        Assert.Equal("config\n", laptop.Run("ls /large"));
    }

    [Fact]
    public async Task A_volume_that_never_stands_still_is_copied_file_by_file()
    {
        using CancellationTokenSource done = new();
        Task writer = Task.Run(() =>
        {
            for (int time = 0; !done.Token.WaitHandle.WaitOne(1); time++)
                _pod.Write($"/busy/{time % 50}", $"{time}");
        });
        _pod.Write("/busy/still", "still\n");
        using (Laptop laptop = new(_pod, Account.Ordinary, fuse: false, "/busy,emptyDir"))
            Assert.Equal("still\n", laptop.Run("cat /busy/still"));
        await done.CancelAsync();
        await writer;
    }

    [Fact]
    public void Links_of_a_copy_lead_where_they_led_or_are_named()
    {
        _pod.Write("/data/releases/42/version", "42\n");
        File.CreateSymbolicLink(_pod.Root + "/data/current", "/data/releases/42");
        File.CreateSymbolicLink(_pod.Root + "/data/out", "/etc");
        using Laptop laptop = new(_pod, Account.Ordinary, fuse: false, "/data,persistentVolumeClaim");
        Assert.Equal("42\n42\n", laptop.Run("cat /data/current/version $TELEPRESENCE_ROOT/data/current/version"));
        Assert.Contains("The copy of /data is without links that lead out of it: out -> /etc.", laptop.Notes, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Account.Root)]
    [InlineData(Account.Ordinary)]
    public void What_a_volume_covers_is_not_seen_while_it_is_mounted_anew(Account account)
    {
        _pod.Write("/run/agent/pid", "the pod's\n");
        using Laptop laptop = new(_pod, account, fuse: true, "/run/agent,emptyDir");
        laptop.Run("touch /tmp/go; timeout 120 sh -c 'while [ -e /tmp/go ]; do cat /run/agent/pid; done' >/tmp/seen 2>/dev/null </dev/null &");
        for (int time = 0; time < 3; time++)
        {
            Assert.Equal("1", laptop.Order("kill-sshfs"));
            laptop.Until("cat /run/agent/pid 2>&1", "the pod's\n", seconds: 15);
        }

        laptop.Run("rm /tmp/go");
        Assert.Equal("the pod's\n", laptop.Run("sort -u /tmp/seen"));
    }

    [Fact]
    public void What_would_run_on_this_machine_stays_below_the_root()
    {
        _pod.Write("/etc/ld.so.preload", "/evil.so\n");
        using Laptop laptop = new(_pod, Account.Root, fuse: true, "/etc/ld.so.preload,configMap,ld.so.preload", "/etc/config,configMap");
        Assert.Contains("The pod's volume at /etc/ld.so.preload is only at $TELEPRESENCE_ROOT/etc/ld.so.preload", laptop.Notes, StringComparison.Ordinal);
        Assert.Equal("blue\n/evil.so\n", laptop.Run("test ! -e /etc/ld.so.preload; cat /etc/config/color $TELEPRESENCE_ROOT/etc/ld.so.preload"));
    }

    [Fact]
    public void Somebody_elses_mount_at_the_root_is_not_taken_for_ours()
    {
        const string place = "/home/developer/pod";
        using Laptop laptop = new(
            _pod,
            new Laptop.Options { Account = Account.Root, Mount = place, Afterwards = $"grep -c 'fuse.sshfs theirs:/' /proc/self/mountinfo; umount -l {place}" },
            "/data,persistentVolumeClaim");
        Assert.Equal("42\n", laptop.Run($"cat {place}/data/number"));
        laptop.Run($"mkfifo /tmp/sftp; (sshfs theirs:/ {place} -f -o passive </tmp/sftp | /usr/lib/openssh/sftp-server >/tmp/sftp) </dev/null >/dev/null 2>&1 &");
        laptop.Until("grep -c 'fuse.sshfs theirs:/' /proc/self/mountinfo", "1\n");
        Assert.Equal("1\n", laptop.StopAndLook());
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void An_empty_volume_that_may_be_empty_is_one(Account account, bool fuse)
    {
        Directory.CreateDirectory(_pod.Root + "/empty");
        using Laptop laptop = new(_pod, account, fuse, "/empty,emptyDir");
        Assert.Equal("", laptop.Run("ls -A /empty"));
    }

    private const string Undo = """
        setpriv --reuid=65533 --regid=65533 --clear-groups /usr/bin/dotnet exec /run/app/bin/Cli.Tests.dll volumes 0 /home/developer/journal undo;
        """;

    private const string Leftovers = """
        find /tmp /dev/shm /run/user -mindepth 1 -not -name 'clr-debug-pipe-*' -not -name 'dotnet-diagnostic-*' -not -name '.dotnet*' -not -path '*/.dotnet/*'; grep fuse.sshfs /proc/self/mountinfo; echo 'nothing else'
        """;
}
