using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A developer's machine at home: reaches its LAN, "the Internet" and the cluster's API server, and nothing else.</summary>
public sealed class LaptopNamespaces : IAsyncDisposable
{
    private const int MostLaptops = 100;
    private readonly HeldNamespaces _router;
    private readonly HeldNamespaces _laptop;
    private readonly string _directory;

    private LaptopNamespaces(HeldNamespaces router, HeldNamespaces laptop, string directory)
    {
        _router = router;
        _laptop = laptop;
        _directory = directory;
    }

    /// <summary>The laptop's ordinary user: may type sudo, has a home, a runtime directory and no privileges.</summary>
    public static string User => LaptopScripts.User;

    /// <summary>That user's number, and their group's.</summary>
    public static int Uid => LaptopScripts.Uid;

    /// <summary>The laptop's first process.</summary>
    public int Pid => _laptop.Pid;

    /// <summary>Makes a laptop for the cluster that runs from the state directory; one of the same name goes first.</summary>
    /// <param name="detached">It outlives this program, until <see cref="DownAsync"/>; else it ends with this program.</param>
    /// <exception cref="NodeException">No cluster runs there, or the kernel said no.</exception>
    public static async Task<LaptopNamespaces> UpAsync(string stateDirectory, string name, bool detached, CancellationToken cancel)
    {
        await DownAsync(stateDirectory, name, cancel);
        var node = NodeRecord.Read(stateDirectory);
        (string directory, int slot) = MakeDirectory(stateDirectory, name);
        HeldNamespaces? router = null;
        try
        {
            router = await HeldNamespaces.CreateAsync(
                directory + "/router.sh", LaptopScripts.Router(directory, node, slot), cancel, detached);
            HeldNamespaces laptop = await HeldNamespaces.CreateAsync(
                directory + "/laptop.sh", LaptopScripts.Laptop(directory, router.Pid, SharedTemporaries(stateDirectory)), cancel, detached);
            return new LaptopNamespaces(router, laptop, directory);
        }
        catch
        {
            if (router is not null)
                await router.DisposeAsync();
            Directory.Delete(directory, recursive: true);
            throw;
        }
    }

    /// <summary>Ends a laptop, also one that another process has made. None of that name: does nothing.</summary>
    public static async Task DownAsync(string stateDirectory, string name, CancellationToken cancel)
    {
        string? directory = Find(stateDirectory, name);
        if (directory is null)
            return;
        await RecordedProcess.EndAsync(Path.Combine(directory, "laptop"), cancel);
        await RecordedProcess.EndAsync(Path.Combine(directory, "router"), cancel);
        Directory.Delete(directory, recursive: true);
    }

    /// <summary>A command line that runs a command in the laptop, with the caller's environment and standard streams.</summary>
    /// <exception cref="NodeException">There is no such laptop.</exception>
    public static string[] Enter(string stateDirectory, string name, string workingDirectory, IEnumerable<string> command)
    {
        int pid = RecordedProcess.Find(Path.Combine(Find(stateDirectory, name) ?? "", "laptop"))
            ?? throw new NodeException($"there is no laptop named {name}; make it with: laptop up");
        return Enter(pid, workingDirectory, command);
    }

    /// <summary>The same for this laptop.</summary>
    public string[] Enter(string workingDirectory, params IEnumerable<string> command) => Enter(Pid, workingDirectory, command);

    public async ValueTask DisposeAsync()
    {
        await _laptop.DisposeAsync();
        await _router.DisposeAsync();
        if (Directory.Exists(_directory))
            Directory.Delete(_directory, recursive: true);
    }

    private static string[] Enter(int pid, string workingDirectory, IEnumerable<string> command) =>
    [
        Commands.NsEnter, string.Create(CultureInfo.InvariantCulture, $"--target={pid}"), "--mount", "--uts", "--ipc", "--net", "--pid",
        $"--wdns={workingDirectory}", "--", .. command,
    ];

    // The state and this program, and with it the one under test, should they be below /tmp.
    private static IEnumerable<string> SharedTemporaries(string stateDirectory) =>
        ((string[])[Path.GetFullPath(stateDirectory), AppContext.BaseDirectory])
            .Where(static path => path.StartsWith("/tmp/", StringComparison.Ordinal))
            .Select(static path => "/tmp/" + path.Split('/')[2]).Distinct();

    private static string Home(string stateDirectory) => Path.Combine(Path.GetFullPath(stateDirectory), "laptops");

    private static string? Find(string stateDirectory, string name) => Directory.Exists(Home(stateDirectory))
        ? Directory.EnumerateDirectories(Home(stateDirectory), "*-" + name).FirstOrDefault(d => Path.GetFileName(d).Split('-', 2)[1] == name)
        : null;

    // The directory's name has the slot in it, and making a directory succeeds for one process only.
    private static (string Directory, int Slot) MakeDirectory(string stateDirectory, string name)
    {
        string home = Home(stateDirectory);
        Directory.CreateDirectory(home);
        HashSet<string> taken = [.. Directory.EnumerateDirectories(home).Select(d => Path.GetFileName(d).Split('-', 2)[0])];
        for (int slot = 0; slot < MostLaptops; slot++)
        {
            if (taken.Contains(slot.ToString(CultureInfo.InvariantCulture)))
                continue;
            string directory = Path.Combine(home, string.Create(CultureInfo.InvariantCulture, $"{slot}-{name}"));
            Directory.CreateDirectory(Path.Combine(directory, "files"));
            return (directory, slot);
        }

        throw new NodeException("there are too many laptops");
    }
}
