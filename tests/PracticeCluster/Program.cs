using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Practice;

if (await NodeVerbs.TryRunAsync(args, CancellationToken.None).ConfigureAwait(false) is { } code) return code;
try
{
    var (command, options, rest) = Options.Parse(args);
    return command switch
    {
        "up" => await UpAsync(options).ConfigureAwait(false),
        "down" => await DownAsync(options).ConfigureAwait(false),
        "ctl" when rest.Count > 0 => await ControlAsync(options, rest).ConfigureAwait(false),
        _ => throw new FormatException(Options.Usage),
    };
}
catch (Exception e) when (e is FormatException or NodeException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync($"practice-cluster: {e.Message}").ConfigureAwait(false);
    return e is FormatException ? 2 : 1;
}

static async Task<int> UpAsync(Options options)
{
    Directory.CreateDirectory(options.StateDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    using var alive = TakeLock(options) ?? throw new IOException($"a practice cluster is already up in {options.StateDirectory}; end it with: down --state {options.StateDirectory}");
    await NamespaceNode.RemoveLeftoversAsync(options.StateDirectory, CancellationToken.None).ConfigureAwait(false);

    using var ending = new SemaphoreSlim(0);
    void End(PosixSignalContext context)
    {
        context.Cancel = true;
        ending.Release();
    }
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
    using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, End);

    var users = Users(options);
    var cluster = new Cluster(options.StateDirectory, options.Instance ?? RandomName.Suffix(), users, MakeNode(options));
    await using (cluster.ConfigureAwait(false))
    {
        cluster.Log = message => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {message}"));
        await cluster.UpAsync(options.Listen, CancellationToken.None).ConfigureAwait(false);
        var control = new ControlServer(ControlClient.SocketPath(options.StateDirectory), new ControlVerbs(cluster, () => ending.Release()));
        await using (control.ConfigureAwait(false))
        {
            await control.StartAsync().ConfigureAwait(false);
            await cluster.SettledAsync(TimeSpan.FromMinutes(1)).ConfigureAwait(false);
            WriteKubeconfigs(options, cluster);
            Console.WriteLine("ready");
            var end = ending.WaitAsync();
            if (await Task.WhenAny(end, cluster.Failure).ConfigureAwait(false) != end) await cluster.Failure.ConfigureAwait(false);
        }
    }
    Sweep(options);
    return 0;
}

static async Task<int> DownAsync(Options options)
{
    if (!Directory.Exists(options.StateDirectory)) return 0;
    var (answer, _) = await ControlClient.SendAsync(options.StateDirectory, "down", [], CancellationToken.None).ConfigureAwait(false);
    var deadline = DateTime.UtcNow.AddSeconds(60);
    while (Directory.Exists(options.StateDirectory))
    {
        using (var free = TakeLock(options))
        {
            if (free is not null)
            {
                await NamespaceNode.RemoveLeftoversAsync(options.StateDirectory, CancellationToken.None).ConfigureAwait(false);
                Sweep(options);
                return 0;
            }
        }
        if (DateTime.UtcNow > deadline) throw new IOException($"the practice cluster in {options.StateDirectory} did not end{(answer == 0 ? "" : " and does not answer")}");
        await Task.Delay(100).ConfigureAwait(false);
    }
    return 0;
}

static async Task<int> ControlAsync(Options options, IReadOnlyList<string> rest)
{
    if (rest[0] == "help")
    {
        Console.WriteLine(ControlVerbs.Help);
        return 0;
    }
    var (result, text) = await ControlClient.SendAsync(options.StateDirectory, rest[0], [.. rest.Skip(1)], CancellationToken.None).ConfigureAwait(false);
    if (text.Length > 0) await (result == 0 ? Console.Out : Console.Error).WriteLineAsync(text).ConfigureAwait(false);
    return result;
}

// The files that `up` wrote into its state directory, and the directory if nothing else is in it. Called under the lock.
static void Sweep(Options options)
{
    foreach (var name in new[] { "kubeconfig", "kubeconfig.laptop", "practice.sock", "lock" }) File.Delete(Path.Combine(options.StateDirectory, name));
    if (!Directory.EnumerateFileSystemEntries(options.StateDirectory).Any()) Directory.Delete(options.StateDirectory);
}

// Held for the life of the process: the kernel gives it back even after kill -9.
static FileStream? TakeLock(Options options)
{
    try
    {
        return new FileStream(Path.Combine(options.StateDirectory, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
    }
    catch (IOException)
    {
        return null;
    }
}

static List<StaticUser> Users(Options options)
{
    List<StaticUser> users = [new(RandomNumberGenerator.GetHexString(32, true), "admin", "1", ["system:masters"])];
    if (options.Users is { } file) users.AddRange(StaticUser.ParseFile(File.ReadAllText(file)));
    else users.Add(new StaticUser(RandomNumberGenerator.GetHexString(32, true), "dev", "2", ["developers"]));
    return users;
}

// One for where `up` was started, one for laptops in namespaces of their own, which reach the node's public address.
static void WriteKubeconfigs(Options options, Cluster cluster)
{
    var context = options.ClusterName ?? "practice";
    WritePrivately(options.Kubeconfig ?? Path.Combine(options.StateDirectory, "kubeconfig"), Kubeconfig.Make(context, cluster.Address, cluster.CaPem, cluster.Users));
    var laptop = new IPEndPoint(NodeAddresses.PublicApi4, Cluster.ApiPort);
    if (!options.PretendPods) WritePrivately(Path.Combine(options.StateDirectory, "kubeconfig.laptop"), Kubeconfig.Make(context, laptop, cluster.CaPem, cluster.Users));
}

static void WritePrivately(string path, string text)
{
    using var file = new FileStream(path, new FileStreamOptions
    {
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });
    file.Write(System.Text.Encoding.UTF8.GetBytes(text));
}

static NodeFactory MakeNode(Options options) => options.PretendPods
    ? (_, _, listener) => new PretendNode(listener)
    : (node, lookup, listener) => new NamespaceNode(node, lookup, listener);
