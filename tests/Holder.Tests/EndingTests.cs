using System.Diagnostics;
using System.Globalization;

using Telepresence.Holder.Tests.World;

namespace Telepresence.Holder.Tests;

/// <summary>However it ends, nothing is left.</summary>
[Collection(nameof(Machine))]
public sealed class EndingTests(Machine machine)
{
    private const int SIGKILL = 9, SIGTERM = 15;

    private const string Daemons = """
        setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; done' &
        setsid sleep 4567 &
        nohup sleep 4568 >/dev/null 2>&1 &
        """;

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task Daemons_that_were_left_behind_are_ended_with_the_command(uint user)
    {
        string before = await StateAsync();
        long since = Stopwatch.GetTimestamp();
        Machine.Result result = await machine.InsideAsync(user, $"{Daemons} readlink /proc/self/ns/net; exit 3");
        Assert.Equal(3, result.Code);
        await EndedAsync(() => InNamespace(result.Output.Trim()).Count, since);
        Assert.Equal(before, await StateAsync());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task A_session_that_is_killed_leaves_no_process_no_mount_and_no_namespace(uint user)
    {
        string before = await StateAsync();
        using Process session = machine.Start(machine.OnMachine(user, Machine.Helper("session", machine.Shared, "sh", "-c", $"{Daemons} readlink /proc/self/ns/net; exec sleep 4569")));
        string inside = (await session.StandardOutput.ReadLineAsync())!;
        Assert.NotEmpty(InNamespace(inside));
        Kill(session.Id, SIGKILL);
        await session.WaitForExitAsync();
        await UntilAsync(() => InNamespace(inside).Count == 0);
        Assert.Equal(before, await StateAsync());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Machine.OrdinaryUser)]
    public async Task A_holder_that_is_killed_is_noticed_and_its_tree_is_ended(uint user)
    {
        string before = await StateAsync();
        using Process session = machine.Start(machine.OnMachine(user, Machine.Helper("session", machine.Shared, "sh", "-c", "readlink /proc/self/ns/net; echo $PPID; exec sleep 4570")));
        string inside = (await session.StandardOutput.ReadLineAsync())!;
        int holder = int.Parse((await session.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
        long since = Stopwatch.GetTimestamp();
        Kill(holder, SIGKILL);
        await session.WaitForExitAsync();
        Assert.Equal(81, session.ExitCode);
        Assert.Contains("The process that holds the namespace ended unexpectedly.", await session.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        await EndedAsync(() => InNamespace(inside).Count, since);
        Assert.Equal(before, await StateAsync());
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0, "1")]
    [InlineData(Machine.OrdinaryUser, "0")]
    [InlineData(Machine.OrdinaryUser, "1")]
    public async Task What_made_namespaces_of_its_own_is_ended_with_the_command(uint user, string mountsOnly)
    {
        long since = Stopwatch.GetTimestamp();
        string namespaces = user == 0 ? "--net --mount" : "--user --map-current-user --net --mount";
        Machine.Result result = await machine.InsideAsync(
            user,
            $"(setsid unshare {namespaces} sleep 4573 >/dev/null 2>&1 </dev/null &); until pgrep -fx 'sleep 4573' >/dev/null; do sleep 0.05; done; exit 4",
            start => start.Environment["TEST_MOUNTS_ONLY"] = mountsOnly);
        Assert.Equal(4, result.Code);
        await EndedAsync(() => Children("sleep 4573"), since);
    }

    [Fact]
    public async Task A_signal_to_the_session_reaches_the_command()
    {
        using Process session = machine.Start(machine.OnMachine(Machine.OrdinaryUser, Machine.Helper("session", machine.Shared, "sh", "-c", "trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.1; done")));
        Assert.Equal("up", await session.StandardOutput.ReadLineAsync());
        Kill(session.Id, SIGTERM);
        Assert.Equal("told", await session.StandardOutput.ReadLineAsync());
        await session.WaitForExitAsync();
        Assert.Equal(5, session.ExitCode);
    }

    [Fact]
    public async Task A_command_from_another_terminal_joins_and_ends_with_the_session()
    {
        using Process session = machine.Start(machine.OnMachine(Machine.OrdinaryUser, Machine.Helper("session", machine.Shared, "sh", "-c", "readlink /proc/self/ns/net; exec cat")));
        string inside = (await session.StandardOutput.ReadLineAsync())!;
        string[] join = ["sh", "-c", """cd /usr/share && exec "$@" """, "sh", .. Machine.Helper("join", machine.Shared, "sh", "-c", "readlink /proc/self/ns/net; id -u; pwd; grep CapEff /proc/self/status | cut -f2; busybox wget -qO- http://web/; exec sleep 4571")];
        using Process joined = machine.Start(machine.OnMachine(Machine.OrdinaryUser, join));
        List<string?> lines = [];
        for (int i = 0; i < 5; i++)
            lines.Add(await joined.StandardOutput.ReadLineAsync());
        Assert.Equal([inside, "65534", "/usr/share", "0000000000000000", "from the cluster"], lines);
        session.StandardInput.Close();
        await session.WaitForExitAsync();
        await joined.WaitForExitAsync();
        Assert.NotEqual(0, joined.ExitCode);
        Assert.Equal(0, session.ExitCode);
    }

    [Fact]
    public async Task An_interactive_shell_has_the_terminal_and_its_jobs()
    {
        // script(1) makes the terminal; what is typed comes in steps, each when the one before has shown its effect.
        string session = string.Join(' ', Machine.Helper("session", machine.Shared, "bash", "--norc", "--noprofile", "-i"));
        string[] line = machine.OnMachine(Machine.OrdinaryUser, "script", "-qc", $"PS1='> ' {session}; echo code=$?", "/dev/null");
        using Process terminal = machine.Start(line);
        TerminalReader screen = new(terminal.StandardOutput);
        await TypeAsync("stty -echo rows 33; bind 'set enable-bracketed-paste off'; echo size-$((30+3))\n", "size-33");
        await TypeAsync("stty size; ps -o tpgid=,pgid= -p $$ | { read a b; [ $b = $$ ] && echo own-$((1+1)); }\n", "own-2");
        await TypeAsync("sleep 300 & sleep 301\n", "");
        await UntilAsync(() => Children("sleep 301") == 1);
        await TypeAsync("\u0003", "");
        await TypeAsync("echo first=$?\n", "first=130");
        await TypeAsync("sleep 302\n", "");
        await UntilAsync(() => Children("sleep 302") == 1);
        await TypeAsync("\u001a", "Stopped");
        await TypeAsync("kill %1 %2; wait; jobs; echo none-$((40+2))\n", "none-42");
        await TypeAsync("exit 42\n", "code=42");
        terminal.StandardInput.Close();
        await terminal.WaitForExitAsync();

        async Task TypeAsync(string keys, string shown)
        {
            await terminal.StandardInput.WriteAsync(keys);
            await terminal.StandardInput.FlushAsync();
            await screen.UntilAsync(shown);
        }
    }

    [Fact]
    public async Task A_shell_that_suspends_itself_suspends_the_session_and_goes_on_with_it()
    {
        // Around it is an interactive shell, as in life: it takes the terminal when its job stops.
        using Process terminal = machine.Start(machine.OnMachine(Machine.OrdinaryUser, "script", "-qc", "PS1='outside> ' bash --norc --noprofile -i", "/dev/null"));
        TerminalReader screen = new(terminal.StandardOutput);
        string session = string.Join(' ', Machine.Helper("session", machine.Shared, "bash", "--norc", "--noprofile", "-i"));
        await TypeAsync($"stty -echo; bind 'set enable-bracketed-paste off'; PS1='inside> ' {session}\n", "inside> ");
        await TypeAsync("suspend\n", "Stopped");
        await TypeAsync("echo out-$((1+1)); fg\n", "out-2");
        await TypeAsync("echo in-$((1+2)); exit 9\n", "in-3");
        await TypeAsync("echo code=$?\n", "code=9");
        await TypeAsync("exit\n", "");
        terminal.StandardInput.Close();
        await terminal.WaitForExitAsync();

        async Task TypeAsync(string keys, string shown)
        {
            await terminal.StandardInput.WriteAsync(keys);
            await terminal.StandardInput.FlushAsync();
            await screen.UntilAsync(shown);
        }
    }

    private static int Children(string command) => Directory.GetDirectories("/proc").Count(directory =>
        int.TryParse(Path.GetFileName(directory), out _) && ReadCommand(directory) == command);

    private static string ReadCommand(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "cmdline")).Replace('\0', ' ').TrimEnd();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static List<int> InNamespace(string wanted) =>
        [.. Telepresence.Cli.Launch.Holder.TreeProcesses.Find(wanted)];

    private static void Kill(int id, int signal) => Assert.Equal(0, Telepresence.Cli.Daemon.Posix.kill(id, signal));

    // They are gone when the session is, unless it has waited three seconds: that is how long it waits for those that do not go.
    private static async Task EndedAsync(Func<int> count, long since)
    {
        Assert.True(count() == 0 || Stopwatch.GetElapsedTime(since) >= TimeSpan.FromSeconds(2.9), "They were not waited for.");
        await UntilAsync(() => count() == 0);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; i < 2400 && !condition(); i++)
            await Task.Delay(25);
        Assert.True(condition(), "What the test waits for has not come.");
    }

    // Whatever of the machine a session could have touched.
    private Task<string> StateAsync() => machine.ShellAsync("""
        cut -d' ' -f5- /proc/self/mountinfo; ip -br link; ip -br address; ip route show table all; ip -6 route show table all; ip rule
        ss -ltunH | sort; cat /etc/resolv.conf /etc/nsswitch.conf; ls -a /tmp /run /etc | grep -v -e '^dotnet-diagnostic' -e '^clr-debug'; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range
        """);

    private sealed class TerminalReader(StreamReader reader)
    {
        private readonly System.Text.StringBuilder _shown = new();

        internal async Task UntilAsync(string wanted)
        {
            char[] buffer = new char[4096];
            using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
            while (!_shown.ToString().Contains(wanted, StringComparison.Ordinal))
            {
                int count;
                try
                {
                    count = await reader.ReadAsync(buffer, limit.Token);
                }
                catch (OperationCanceledException)
                {
                    count = 0;
                }

                if (count == 0)
                    Assert.Fail($"The terminal does not show {wanted}, but: {_shown}");
                _shown.Append(buffer, 0, count);
            }
        }
    }
}
