namespace Telepresence.EndToEnd.Tree;

/// <summary>A test that starts sessions of its own on a laptop where nothing else runs, and leaves laptop and namespace as they were.</summary>
public abstract class TreeTest(PracticeClusterFixture cluster) : IAsyncLifetime
{
    /// <summary>What the other side of a lost connection reads, word by word as in 0.27.</summary>
    protected const string Lost = "Proxy to Kubernetes exited. This is typically due to a lost connection.";

    private string _before = "";

    internal Laptop Laptop { get; private set; } = null!;

    protected PracticeClusterFixture Cluster => cluster;

    public virtual async Task InitializeAsync()
    {
        Laptop = await cluster.QuietAsync();
        _before = await Laptop.WholeSnapshotAsync();
    }

    public virtual async Task DisposeAsync()
    {
        await cluster.ControlAsync("reset");
        try
        {
            // Only a failed test leaves sessions.
            await Laptop.SignalMatchingAsync("TERM", SessionProcess);
            await IsWhollyAsBeforeAsync();
        }
        catch (Exception)
        {
            await cluster.ReplaceQuietAsync();
            throw;
        }
    }

    internal Task IsWhollyAsBeforeAsync() => Laptop.IsWhollyAsBeforeAsync(_before);

    /// <summary>Checks that a namespace is as before the test, at once.</summary>
    internal async Task<string> IsAsItWasAsync(string name, string before)
    {
        // Pods take their time to end, objects do not.
        string after = await cluster.SnapshotAsync(name);
        Assert.Equal(Objects(before), Objects(after));
        await cluster.IsAsBeforeAsync(name, before);
        return after;

        static string Objects(string text) => string.Join('\n', text.Split('\n').Where(static line => !line.StartsWith("pod of ", StringComparison.Ordinal)));
    }

    /// <summary>Makes a namespace, and says what is in it.</summary>
    internal async Task<(string Name, string Before)> NamespaceAsync(string name)
    {
        await cluster.NamespaceAsync(name);
        return (name, await cluster.SnapshotAsync(name));
    }

    /// <summary>A session process of the form without a verb, as its command line begins.</summary>
    protected static string SessionProcess => $"{PracticeClusterFixture.Program} --*";
}
