using System.Diagnostics;

using Telepresence.Holder.Tests.World;

namespace Telepresence.Holder.Tests;

/// <summary><c>localhost</c> is one thing, inside and on the machine.</summary>
[Collection(nameof(Machine))]
public sealed class LocalhostTests(Machine machine)
{
    // Tries until it works, which takes as long as it takes the mirror to look. What is asked may be lost until then, so each question is
    // given up after a while.
    private const string Functions = """
        try() { for i in $(seq 600); do "$@" 2>/dev/null && return; sleep 0.1; done; echo never; }
        ask() { exec 3<>/dev/$1/$2/$3 || return; [ -z "${4:-}" ] || echo "$4" >&3; timeout 10 head -1 <&3; }
        serve() { exec socat TCP$1-LISTEN:$3,bind=$2,reuseaddr,fork SYSTEM:"echo $4"; }
        export -f try ask serve

        """;

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task What_listens_on_the_machine_is_there_inside(uint user) =>
        Assert.Equal(
            "on 127.0.0.1\non every address\non every address\nover IPv6\ndatagram\nin use\n",
            await RunAsync(user, """
                serve 4 127.0.0.1 7401 'on 127.0.0.1' & a=$!
                serve 4 0.0.0.0 7402 'on every address' & b=$!
                serve 6 '[::1]' 7403 'over IPv6' & c=$!
                socat UDP-RECVFROM:7404,bind=127.0.0.1,fork SYSTEM:cat & d=$!
                """,
                """
                try ask tcp 127.0.0.1 7401
                try ask tcp 127.0.0.1 7402
                try ask tcp 127.0.1.1 7402
                try ask tcp ::1 7403
                try ask udp 127.0.0.1 7404 datagram
                socat TCP-LISTEN:7401,bind=127.0.0.1,reuseaddr STDIO 2>&1 | grep -o 'in use'
                """));

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task What_listens_inside_is_there_on_the_machine_and_gone_when_it_goes(uint user) =>
        Assert.Equal(
            "inside\ninside on every address\ndatagram\nonly the loopback\nfree again\n",
            await RunAsync(user, """
                (
                try test -e "$DIRECTORY/up"
                try ask tcp 127.0.0.1 7501
                try ask tcp 127.0.0.1 7502
                try ask udp 127.0.0.1 7503 datagram
                (exec 3<>/dev/tcp/192.0.2.2/7502) 2>/dev/null || echo only the loopback
                touch "$DIRECTORY/stop"
                try sh -c '! grep -q "0100007F:1D4D 00000000:0000 0A" /proc/net/tcp'
                grep -q "0100007F:1D4D 00000000:0000 0A" /proc/net/tcp || echo free again
                rm "$DIRECTORY/up" "$DIRECTORY/stop"
                ) & a=$!
                """,
                """
                serve 4 127.0.0.1 7501 inside & first=$!
                serve 4 0.0.0.0 7502 'inside on every address' & second=$!
                socat UDP-RECVFROM:7503,bind=127.0.0.1,fork SYSTEM:cat &
                touch "$DIRECTORY/up"
                try test -e "$DIRECTORY/stop"
                kill $first; wait $first 2>/dev/null
                for i in $(seq 600); do [ -e "$DIRECTORY/up" ] || exit 0; sleep 0.1; done
                """));

    [Fact]
    public async Task A_low_port_may_be_used_inside_and_the_log_says_that_the_machine_does_not_have_it()
    {
        TimeSpan patience = TimeSpan.FromSeconds(60);
        using Process session = machine.Start(machine.OnMachine(Machine.OrdinaryUser, Machine.Helper("session", machine.Shared, "sh", "-c", """
            socat TCP-LISTEN:81,bind=127.0.0.1 STDIO & listener=$!
            read -r enough
            kill $listener && echo listened
            """)));
        string? line;
        do
            line = await session.StandardError.ReadLineAsync().WaitAsync(patience);
        while (line?.Contains("TCP 127.0.0.1:81 inside is not reachable from this machine", StringComparison.Ordinal) == false);
        Assert.NotNull(line);
        await session.StandardInput.WriteLineAsync("enough");
        session.StandardInput.Close();
        Assert.Equal("listened\n", await session.StandardOutput.ReadToEndAsync().WaitAsync(patience));
        await session.WaitForExitAsync().WaitAsync(patience);
    }

    [Fact]
    public async Task A_large_transfer_through_the_mirror_arrives_whole_and_ends()
    {
        string output = await RunAsync(
            Machine.OrdinaryUser,
            """
            (head -c 30000000 /dev/zero | socat -t 10 TCP-LISTEN:7601,bind=127.0.0.1 STDIO > "$DIRECTORY/back") & a=$!
            """,
            """
            for i in $(seq 600); do exec 3<>/dev/tcp/127.0.0.1/7601 && break; sleep 0.1; done 2>/dev/null
            echo thanks >&3
            head -c 30000000 <&3 | wc -c
            exec 3>&-
            """);
        Assert.Equal("30000000\n", output);
        Assert.Equal("thanks\n", await machine.ShellAsync($"cat {machine.Shared}/back; rm {machine.Shared}/back"));
    }

    private async Task<string> RunAsync(uint user, string onMachine, string inside)
    {
        string script = Functions + onMachine + "\n\"$@\"\nkill $a $b $c $d 2>/dev/null\nwait\n";
        Machine.Result result = await machine.RunAsync(
            machine.OnMachine(user, ["bash", "-c", script, "bash", .. Machine.Helper("session", machine.Shared, "bash", "-c", inside)]),
            prepare: start => start.Environment["DIRECTORY"] = machine.Shared);
        return result.Output;
    }
}
