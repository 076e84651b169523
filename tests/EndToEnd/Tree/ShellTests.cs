namespace Telepresence.EndToEnd.Tree;

/// <summary>The shell as a person at a terminal has it.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class ShellTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task It_has_the_prompt_the_rc_file_the_directory_and_job_control(Way way)
    {
        (string name, string before) = await NamespaceAsync($"shell-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        await user.WriteAsync(".bashrc", "PS1='mine$ '\nalias greet='echo hello from the rc file'\n");
        await user.WriteAsync("project/readme", "");
        await using TerminalWindow window = user.Open("env", $"--chdir={user.At("project")}", "--", "sh", "-c", $"exec {string.Join(' ', user.Telepresence("--namespace", name, "--new-deployment", "shell", "--method", way.Method(), "--run-shell"))}");
        await window.ShowsAsync("Starting proxy...");
        await window.ShowsAsync("@practice|mine$ ");
        window.Enter("greet; ls; echo at $PWD");
        await window.ShowsAsync("hello from the rc file\r\n");
        await window.ShowsAsync("readme");
        await window.ShowsAsync($"at {user.At("project")}\r\n");

        // Job control: a program that is stopped, listed, resumed and interrupted.
        window.Enter("sleep 1000");
        await RunsAsync("sleep 1000");
        window.Type("\x1a");
        await window.ShowsAsync("Stopped");
        window.Enter("jobs | tr a-z A-Z");
        await window.ShowsAsync("SLEEP 1000");
        window.Enter("fg >/dev/null");
        await Eventually.HoldsAsync("it runs again", async () => (await Laptop.ShellAsync("for p in /proc/[0-9]*; do [ \"$(tr '\\0' ' ' <$p/cmdline)\" != 'sleep 1000 ' ] || grep -c '^State:.S' $p/status; done 2>/dev/null")).Output.Contains('1', StringComparison.Ordinal));
        window.Type("\x03");
        window.Enter("echo 'fg gave' $?");
        await window.ShowsAsync("fg gave 130");

        // A window that changes its size.
        window.Resize(rows: 33, columns: 111);
        await Eventually.HoldsAsync("programs see it", async () =>
        {
            window.Enter("stty size | tr ' ' x; echo asked | tr a-z A-Z");
            await window.ShowsAsync("ASKED"); // sudo, which has a terminal of its own between, takes a moment
            return window.Screen.Contains("33x111", StringComparison.Ordinal);
        });

        // Ctrl-C at the prompt is the shell's own business.
        window.Type("echo not run");
        await window.ShowsAsync("echo not run");
        window.Type("\x03");
        await Eventually.GivesAsync("there is a prompt again", () => Task.FromResult(window.Screen), static screen => screen.Contains("not run^C", StringComparison.Ordinal) && screen.EndsWith("mine$ ", StringComparison.Ordinal));
        window.Enter("echo still $((40 + 2))");
        await window.ShowsAsync("still 42");
        window.Enter("exit 9");
        Assert.Equal(9, await window.EndAsync());
        await window.ShowsAsync("Your process exited with return code 9.");
        (await user.RunAsync("rm", "-r", user.At(".bashrc"), user.At("project"))).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task A_closed_window_ends_the_session_and_all_that_ran_in_it()
    {
        (string name, string before) = await NamespaceAsync("window");
        LaptopUser jane = Laptop.As(Person.Jane);
        await using (TerminalWindow window = jane.Open(jane.Telepresence("--namespace", name, "--run-shell")))
        {
            await window.ShowsAsync("@practice|");
            window.Enter("sleep 1001 & nohup sleep 1002 >/dev/null 2>&1 & setsid sleep 1003 & echo begun | tr a-z A-Z");
            await window.ShowsAsync("BEGUN");
            await window.CloseAsync();
            await window.EndAsync();
        }

        await IsAsItWasAsync(name, before);
        await IsWhollyAsBeforeAsync();
    }

    [Fact]
    public async Task Another_shell_of_the_user_is_taken_from_SHELL()
    {
        string name = await Cluster.NamespaceAsync("dash");
        LaptopUser jane = Laptop.As(Person.Jane);
        jane.Environment["SHELL"] = "/bin/dash";
        await using TerminalWindow window = jane.Open(jane.Telepresence("--namespace", name, "--run-shell"));
        await window.ShowsAsync("Setup complete. Launching your command.");
        window.Enter("readlink /proc/$$/exe; exit 4");
        await window.ShowsAsync("/dash");
        Assert.Equal(4, await window.EndAsync());
    }

    [Theory]
    [ClassData(typeof(WaysWithoutPrivileges))]
    public async Task Daemons_and_grandchildren_are_inside_and_end_with_the_session(Way way)
    {
        (string name, string before) = await NamespaceAsync($"daemons-{way.Label()}");
        LaptopUser jane = Laptop.As(way.Person());
        CommandResult run = await jane.TelepresenceAsync(
            "--namespace", name, "--method", way.Method(), "--run", "bash", "-c", "setsid bash -c '(sleep 1004 & curl -sS http://files.other/ >daemon.out; echo done >>daemon.out)' & until grep -q done daemon.out 2>/dev/null; do sleep 0.1; done; cat daemon.out; rm daemon.out");
        Assert.Equal("practice\ndone", run.Good());
        await IsAsItWasAsync(name, before);
        if (way.Method() == "netns")
            await IsWhollyAsBeforeAsync();
        else
            await Laptop.SignalMatchingAsync("KILL", "sleep 1004"); // nothing holds it but its own wish
    }

    private Task RunsAsync(string command) => Eventually.HoldsAsync($"{command} runs", async () => await Laptop.SignalMatchingAsync("0", command) > 0);
}
