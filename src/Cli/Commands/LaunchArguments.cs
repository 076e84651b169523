using System.Globalization;

using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Engine.Ports;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Commands;

/// <summary>The command line of the form without a verb.</summary>
internal sealed record LaunchArguments
{
    private const string DefaultLog = "telepresence.log";

    public string? Context { get; init; }

    public string? Namespace { get; init; }

    public string? Kubeconfig { get; init; }

    public string? NewDeployment { get; init; }

    public string? Deployment { get; init; }

    public string? SwapDeployment { get; init; }

    public string? ServiceAccount { get; init; }

    public string? Image { get; init; }

    public IReadOnlyList<string> Expose { get; init; } = [];

    public IReadOnlyList<string> ToPod { get; init; } = [];

    public IReadOnlyList<string> FromPod { get; init; } = [];

    public IReadOnlyList<string> AlsoProxy { get; init; } = [];

    public IReadOnlyList<string> NeverProxy { get; init; } = [];

    public string? Method { get; init; }

    public string? Mount { get; init; }

    public bool MountWrite { get; init; }

    public string? EnvFile { get; init; }

    public string? EnvJson { get; init; }

    public string? LogFile { get; init; }

    public bool Verbose { get; init; }

    /// <summary>Whether the user's shell was asked for.</summary>
    public bool RunShell { get; init; }

    /// <summary>What stands behind <c>--run</c>, or null when that was not given.</summary>
    public IReadOnlyList<string>? Run { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="UserError">One of them, or their combination, makes no sense.</exception>
    internal LaunchOptions Check()
    {
        if (RunShell == Run is not null)
            throw Bad(RunShell ? "--run-shell and --run exclude each other; give one of them." : "nothing to run: give --run-shell for a shell, or --run COMMAND ARGUMENTS… as the last option.");
        if (Run is { Count: 0 })
            throw Bad("--run needs a command behind it, which takes all the rest of the line.");
        (WorkloadMode workload, string? deployment, string? container) = ReadWorkload();
        if (ServiceAccount is not null && workload != WorkloadMode.New)
            throw Bad("--serviceaccount goes with a new Deployment; an existing one has its own.");
        if (Image is not null && (Image.Length == 0 || Image.Any(char.IsWhiteSpace)))
            throw Bad($"--image '{Image}': not an image reference like registry.example.com/telepresence-k8s:{ProductVersion.Text}.");

        // Everything but the exceptions goes through the cluster in this form, so only mistakes are looked for.
        TargetOption.Read("--also-proxy", AlsoProxy);
        (IReadOnlyList<string> neverProxy, IReadOnlyList<string> neverProxyHosts) = TargetOption.Read("--never-proxy", NeverProxy);
        MountOption mount = Mount is null ? MountOption.Default : MountOption.Parse(Mount);
        if (MountWrite && !mount.IsWanted)
            throw Bad("--mount-write and --mount false exclude each other.");
        return new LaunchOptions
        {
            Context = Context,
            Namespace = Namespace,
            Kubeconfig = Kubeconfig is null ? null : Path.GetFullPath(Kubeconfig),
            Workload = workload,
            Deployment = deployment,
            Container = container,
            ServiceAccount = ServiceAccount,
            Image = Image,
            Expose = ReadPorts(),
            ToPod = [.. ToPod.Select(static text => ReadPort("--to-pod", text, text)).Distinct()],
            NeverProxy = neverProxy,
            NeverProxyHosts = neverProxyHosts,
            Method = Method switch
            {
                "netns" => MethodChoice.Netns,
                "preload" => MethodChoice.Preload,
                _ => MethodChoice.Auto,
            },
            Mount = mount,
            MountWrite = MountWrite,
            EnvFile = ReadFileName("--env-file", EnvFile),
            EnvJson = ReadFileName("--env-json", EnvJson),
            LogFile = LogFile == "-" ? "-" : Path.GetFullPath(LogFile ?? DefaultLog),
            Verbose = Verbose,
            Command = Run ?? [],
        };
    }

    private (WorkloadMode Choice, string? Deployment, string? Container) ReadWorkload()
    {
        (string Option, string? Value)[] given = [.. new[] { ("--new-deployment", NewDeployment), ("--deployment", Deployment), ("--swap-deployment", SwapDeployment) }.Where(static option => option.Item2 is not null)];
        switch (given)
        {
            case []:
                return (WorkloadMode.New, null, null);
            case [("--new-deployment", string name)]:
                return (WorkloadMode.New, ReadName("--new-deployment", name, name), null);
            case [(string option, string value)]:
                string[] parts = value.Split(':');
                if (parts.Length > 2)
                    throw Bad($"{option} {value}: give NAME, or NAME:CONTAINER.");
                string? container = parts.Length == 2 ? ReadName(option, value, parts[1]) : null;
                return (option == "--deployment" ? WorkloadMode.Existing : WorkloadMode.Swap, ReadName(option, value, parts[0]), container);
            default:
                throw Bad($"{string.Join(" and ", given.Select(static option => option.Option))} exclude each other; give one of them.");
        }
    }

    private IReadOnlyList<ExposedPort> ReadPorts()
    {
        List<ExposedPort> ports = [];
        foreach (string text in Expose)
            Add(ports, "--expose", ReadExposed(text));
        foreach (string text in FromPod)
        {
            ushort port = ReadPort("--from-pod", text, text);
            Add(ports, "--from-pod", new ExposedPort(port, port, PodLoopback: true));
        }

        return ports;
    }

    private static void Add(List<ExposedPort> ports, string option, ExposedPort port)
    {
        if (ports.Contains(port))
            return;
        if (ports.Any(other => other.Remote == port.Remote && other.IsUdp == port.IsUdp))
            throw Bad($"{option} {port}: port {port.Remote} of the pod was given before.");
        ports.Add(port);
    }

    // LOCAL[:REMOTE][/udp|/tcp]
    private static ExposedPort ReadExposed(string text)
    {
        string[] halves = text.Split('/');
        string[] numbers = halves[0].Split(':');
        if (halves.Length > 2 || (halves.Length == 2 && halves[1] is not ("tcp" or "udp")) || numbers.Length > 2)
            throw Bad($"--expose {text}: give PORT, LOCAL:REMOTE, or either with /udp behind it.");
        ushort local = ReadPort("--expose", text, numbers[0]);
        return new ExposedPort(local, numbers.Length == 2 ? ReadPort("--expose", text, numbers[1]) : local, IsUdp: halves.Length == 2 && halves[1] == "udp");
    }

    private static ushort ReadPort(string option, string whole, string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0
            ? port
            : throw Bad($"{option} {whole}: '{text}' is not a port, a number from 1 to 65535.");

    // RFC 1123, as Kubernetes names Deployments and containers.
    private static string ReadName(string option, string whole, string name) =>
        name.Length is > 0 and <= 63 && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') && name[0] != '-' && name[^1] != '-'
            ? name
            : throw Bad($"{option} {whole}: '{name}' is not a name that Kubernetes takes: lower-case letters, digits and hyphens, 63 at most, a letter or digit at both ends.");

    // Said before a pod is made for its contents.
    private static string? ReadFileName(string option, string? path)
    {
        if (path is null)
            return null;
        string file = Path.GetFullPath(path);
        if (Directory.Exists(file))
            throw Bad($"{option} {path}: that is a directory; give the name of a file.");
        string directory = Path.GetDirectoryName(file)!;
        if (!Directory.Exists(directory))
            throw Bad($"{option} {path}: there is no directory {directory}; make it, or name another file.");
        if (!Libc.MayAccess(File.Exists(file) ? file : directory, mode: 2))
            throw Bad($"{option} {path}: that may not be written; name another file.");
        return file;
    }

    private static UserError Bad(string sentence) => new(ExitCode.BadArguments, sentence);
}
