namespace Telepresence.EndToEnd.Undo;

/// <summary><c>kill -9</c> of the daemons while they are connected.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class KillTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string User = "daemon-user", Root = "daemon-root";
    private Laptop _laptop = null!;
    private string _before = "";

    public async Task InitializeAsync()
    {
        _laptop = await cluster.LaptopAsync();
        _before = await _laptop.SnapshotAsync();
    }

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Theory]
    [InlineData(User, "")]
    [InlineData(Root, "")]
    [InlineData(User, Root)]
    public async Task Killed_daemons_leave_nothing_even_if_nobody_types_anything(string first, string second)
    {
        string name = await ConnectAsync($"killed{first}{second}");
        string[] daemons = second.Length == 0 ? [first] : [first, second];
        Assert.InRange(await _laptop.SignalAsync("KILL", daemons), daemons.Length, int.MaxValue);
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
        Assert.Equal("Not connected", (await _laptop.TelepresenceAsync("quit")).Good());
    }

    [Theory]
    [InlineData(User)]
    [InlineData(Root)]
    public async Task Killed_daemons_leave_nothing_when_the_program_has_been_installed_anew_meanwhile(string daemon)
    {
        string name = await cluster.NamespaceAsync($"replaced-{daemon}"), installed = Path.Combine(_laptop.Home, "installed");
        string copy = $"cp -r {Path.GetDirectoryName(PracticeClusterFixture.Program)} {installed}";
        (await _laptop.ShellAsync(copy)).Good();
        (await _laptop.RunAsync($"{installed}/telepresence", "connect", "--namespace", name)).Good();
        (await _laptop.ShellAsync($"rm -r {installed}; {copy}")).Good();
        Assert.InRange(await _laptop.SignalMatchingAsync("KILL", $"{installed}/telepresence {daemon}*"), 1, int.MaxValue);
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
    }

    [Fact]
    public async Task When_everything_was_killed_the_next_quit_takes_it_back()
    {
        string name = await ConnectAsync("killed-quit");
        await KillEverythingAsync();
        Assert.NotEqual(_before, await _laptop.SnapshotAsync());
        Assert.Single(await cluster.ProxiesAsync(name));
        (await _laptop.TelepresenceAsync("quit")).Good();
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task When_everything_was_killed_the_next_connect_takes_it_back_and_works()
    {
        string name = await ConnectAsync("killed-connect");
        string old = Assert.Single(await cluster.ProxiesAsync(name));
        await KillEverythingAsync();
        await _laptop.ConnectAsync("--namespace", name);
        Assert.NotEqual(old, Assert.Single(await cluster.ProxiesAsync(name)));
        Assert.Equal("practice", (await _laptop.RunAsync("curl", "-sS", "http://files.other/")).Good());
        (await _laptop.TelepresenceAsync("quit")).Good();
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task Home_still_has_names_right_after_the_user_daemon_was_killed()
    {
        string name = await ConnectAsync("killed-names");
        Assert.InRange(await _laptop.SignalAsync("KILL", User), 1, int.MaxValue);
        Assert.StartsWith("192.168.1.20", (await _laptop.RunAsync("getent", "ahostsv4", "printer")).Good(), StringComparison.Ordinal);
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
    }

    [Theory]
    [InlineData(User)]
    [InlineData(Root)]
    public async Task SIGTERM_to_a_daemon_undoes_everything(string daemon)
    {
        string name = await ConnectAsync($"terminated-{daemon}");
        Assert.InRange(await _laptop.SignalAsync("TERM", daemon), 1, int.MaxValue);
        await _laptop.IsAsBeforeAsync(_before);
        await cluster.NothingLeftSoonAsync(name);
    }

    [Fact]
    public async Task A_proxy_that_cannot_be_removed_at_quit_is_removed_at_the_next_connect()
    {
        string name = await ConnectAsync("left");
        await cluster.ControlAsync("refuse", "delete", "deployments");
        try
        {
            CommandResult quit = await _laptop.TelepresenceAsync("quit");
            Assert.Equal("Disconnected", quit.Good());
            Assert.Contains("The next connect tries again", quit.Error, StringComparison.Ordinal);
            await _laptop.IsAsBeforeAsync(_before);
            Assert.Single(await cluster.ProxiesAsync(name));
        }
        finally
        {
            await cluster.ControlAsync("reset");
        }

        await _laptop.ConnectAsync("--namespace", name);
        Assert.Single(await cluster.ProxiesAsync(name));
        (await _laptop.TelepresenceAsync("quit")).Good();
        await cluster.NothingLeftAsync(name);
    }

    private async Task<string> ConnectAsync(string name)
    {
        await cluster.NamespaceAsync(name);
        await _laptop.ConnectAsync("--namespace", name);
        return name;
    }

    private async Task KillEverythingAsync()
    {
        await _laptop.KillGuardiansAsync();
        Assert.InRange(await _laptop.SignalAsync("KILL", User, Root), 2, int.MaxValue);
    }
}
