using Telepresence.Holder.Tests.World;

namespace Telepresence.Holder.Tests;

/// <summary>What programs see inside, as root and as an ordinary user.</summary>
[Collection(nameof(Machine))]
public sealed class InsideTests(Machine machine)
{
    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task Names_of_the_cluster_are_found_and_lead_there(uint user)
    {
        Machine.Result result = await machine.InsideAsync(user, """
            busybox wget -qO- http://web/
            busybox wget -qO- http://web.default.svc.cluster.local/
            getent hosts www.example.com
            getent hosts nobody.default.svc.cluster.local || echo none
            busybox nslookup echo.other 2>/dev/null | grep -o 10.96.5.6
            """);
        Assert.Equal("from the cluster\nfrom the cluster\n10.96.5.5       www.example.com\nnone\n10.96.5.6\n", result.Output);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task Datagrams_and_pings_reach_the_cluster(uint user)
    {
        Machine.Result result = await machine.InsideAsync(user, """
            bash -c 'exec 3<>/dev/udp/10.96.5.6/5000; echo datagram >&3; timeout 60 head -1 <&3'
            ping -c1 -W60 10.96.5.6 | grep -o '1 received'
            """);
        Assert.Equal("datagram\n1 received\n", result.Output);
    }

    [Fact]
    public async Task Resolvers_of_ones_own_find_the_pods_settings_and_nothing_of_the_machines()
    {
        Machine.Result result = await machine.InsideAsync(Machine.OrdinaryUser, """
            cat /etc/resolv.conf
            grep hosts: /etc/nsswitch.conf
            ls /run/systemd/resolve /run/nscd
            cmp /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf
            """);
        Assert.Equal(
            "nameserver 100.127.77.1\nnameserver fd7e:1e9e:5e4c::1\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
            + "hosts: files dns\n/run/nscd:\n\n/run/systemd/resolve:\nresolv.conf\nstub-resolv.conf\n",
            result.Output);
    }

    [Theory]
    [InlineData("rm /etc/resolv.conf")]
    [InlineData("ln -sf ../run/nothing/resolv.conf /etc/resolv.conf")]
    [InlineData("ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")]
    public async Task Names_are_found_whatever_resolv_conf_is_on_the_machine(string change)
    {
        string[] inside = Machine.Helper("session", machine.Shared, "sh", "-c", "head -1 /etc/resolv.conf; getent hosts www.example.com | cut -d' ' -f1; echo x > /etc/x || echo not ours to write");
        Machine.Result result = await machine.RunAsync(machine.OnMachine(0, ["unshare", "--mount", "sh", "-c", $"""
            set -e
            umount /etc/resolv.conf /etc/nsswitch.conf
            mount -t tmpfs etc /mnt
            cp -a /etc/. /mnt/
            mount --bind /mnt /etc
            {change}
            exec setpriv --reuid {Machine.OrdinaryUser} --regid {Machine.OrdinaryUser} --clear-groups --inh-caps=-all -- "$@"
            """, "sh", .. inside]));
        Assert.Equal("nameserver 100.127.77.1\n10.96.5.5\nnot ours to write\n", result.Output);
    }

    [Fact]
    public async Task The_command_is_the_users_own_with_their_groups_directory_and_no_rights()
    {
        Machine.Result result = await machine.RunAsync(
            machine.OnMachine(Machine.OrdinaryUser, ["sh", "-c", """cd /usr/share && exec "$@" """, "sh", .. Machine.Helper("session", machine.Shared, "sh", "-c", """
                id -u; id -g; pwd; cat; grep -h '^Cap[IPEA]' /proc/self/status | cut -f2 | sort -u
                printf '%s\n' "$FROM_SESSION"
                touch "$DIRECTORY/mine" && stat -c %u:%g "$DIRECTORY/mine" && rm "$DIRECTORY/mine"
                """)]),
            input: "typed\n",
            prepare: start => start.Environment["DIRECTORY"] = machine.Shared);
        Assert.Equal($"65534\n65534\n/usr/share\ntyped\n0000000000000000\na value\nof two lines\n65534:65534\n", result.Output);
    }

    [Fact]
    public async Task A_command_of_sudo_belongs_to_who_called_it_and_the_session_cannot_become_root_again()
    {
        Machine.Result result = await machine.InsideAsync(0, """
            id -u; id -g; busybox wget -qO- http://web/
            session=$(cut -d' ' -f4 /proc/$PPID/stat)
            cat /proc/$session/task/*/status | grep -e '^Uid' -e '^CapPrm' | sort -u | tr '\t' ' '
            """, AsSudo);
        Assert.Equal("65534\n65534\nfrom the cluster\nCapPrm: 0000000000000000\nUid: 65534 65534 65534 65534\n", result.Output);

        static void AsSudo(System.Diagnostics.ProcessStartInfo start) => start.Environment["SUDO_UID"] = $"{Machine.OrdinaryUser}";
    }

    [Fact]
    public async Task What_runs_as_root_has_nothing_of_the_user_s_environment()
    {
        using System.Diagnostics.Process session = machine.Start(
            machine.OnMachine(0, Machine.Helper("session", machine.Shared, "sh", "-c", "echo $PPID $MINE; exec cat")),
            static start =>
            {
                start.Environment["SUDO_UID"] = $"{Machine.OrdinaryUser}";
                start.Environment["MINE"] = "mine";
            });
        string[] words = (await session.StandardOutput.ReadLineAsync())!.Split(' ');
        string[] variables = (await File.ReadAllTextAsync($"/proc/{words[0]}/environ")).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        session.StandardInput.Close();
        await session.WaitForExitAsync();
        Assert.Equal("mine", words[1]);
        Assert.Contains("LC_ALL=C", variables);
        Assert.DoesNotContain(variables, static variable => variable.StartsWith("MINE=", StringComparison.Ordinal) || variable.StartsWith("HOME=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rights_are_given_up_in_every_thread()
    {
        Machine.Result result = await machine.RunAsync(Machine.Helper("drop"), prepare: static start => start.Environment["SUDO_UID"] = $"{Machine.OrdinaryUser}");
        Assert.Equal("Uid: 65534 65534 65534 65534\nCapEff: 0000000000000000\n", result.Output);
    }

    [Theory]
    [InlineData("exit 7", 7)]
    [InlineData("kill -9 $$", 137)]
    [InlineData("PATH=/usr/bin:/bin; exec nothing-of-that-name", 127)]
    public async Task The_exit_status_is_the_commands_own(string script, int code) =>
        Assert.Equal(code, (await machine.InsideAsync(Machine.OrdinaryUser, script)).Code);

    [Theory]
    [InlineData("nothing-of-that-name", 127, "nothing-of-that-name was not found in PATH.")]
    [InlineData("/etc/passwd", 126, "/etc/passwd is not executable.")]
    public async Task A_command_that_cannot_be_started_is_named(string command, int code, string sentence)
    {
        Machine.Result result = await machine.RunAsync(machine.OnMachine(Machine.OrdinaryUser, Machine.Helper("session", machine.Shared, command)));
        Assert.Equal(code, result.Code);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_must_not_go_through_the_cluster_is_dialed_from_the_machine()
    {
        // The machine is at 192.0.2.2, which the pod does not know.
        Machine.Result result = await machine.RunAsync(machine.OnMachine(Machine.OrdinaryUser, ["bash", "-c", """
            socat TCP-LISTEN:7310,reuseaddr,fork SYSTEM:'echo from the machine' & tcp=$!
            socat UDP-RECVFROM:7311,fork SYSTEM:cat & udp=$!
            until ss -ltnH 'sport = :7310' | grep -q . && ss -lunH 'sport = :7311' | grep -q .; do sleep 0.05; done
            "$@"
            kill $tcp $udp 2>/dev/null
            """, "bash", .. Machine.Helper("session", machine.Shared, "bash", "-c", """
            exec 3<>/dev/tcp/192.0.2.2/7310; timeout 60 head -1 <&3
            exec 4<>/dev/udp/192.0.2.2/7311; echo datagram >&4; timeout 60 head -1 <&4
            (exec 5<>/dev/tcp/192.0.2.2/7312) 2>&1 | grep -o -m1 refused
            """)]));
        Assert.Equal("from the machine\ndatagram\nrefused\n", result.Output);
    }

    [Fact]
    public async Task Where_only_mounts_are_asked_for_the_network_is_the_machines()
    {
        Machine.Result result = await machine.InsideAsync(
            Machine.OrdinaryUser,
            "ip -br address show dev eth0 | grep -o 192.0.2.2; readlink /proc/self/ns/mnt; grep -h CapEff /proc/self/status | cut -f2",
            static start => start.Environment["TEST_MOUNTS_ONLY"] = "1");
        string[] lines = result.Output.Split('\n');
        Assert.Equal("192.0.2.2", lines[0]);
        Assert.NotEqual((await machine.ShellAsync("readlink /proc/self/ns/mnt")).Trim(), lines[1]);
        Assert.Equal("0000000000000000", lines[2]);
    }
}
