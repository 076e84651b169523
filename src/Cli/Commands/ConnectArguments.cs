using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary>The command line of <c>connect</c>.</summary>
internal sealed record ConnectArguments
{
    public string? Context { get; init; }

    public string? Namespace { get; init; }

    public string? Kubeconfig { get; init; }

    public IReadOnlyList<string> AlsoProxy { get; init; } = [];

    public IReadOnlyList<string> NeverProxy { get; init; } = [];

    public IReadOnlyList<string> DnsSuffix { get; init; } = [];

    public bool All { get; init; }

    public string? LogFile { get; init; }

    public bool Verbose { get; init; }

    public string? Image { get; init; }

    public bool Json { get; init; }

    /// <summary>The command behind <c>--</c>, or nothing.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Checks the values.</summary>
    /// <exception cref="UserError">One of them makes no sense.</exception>
    internal ConnectOptions Check()
    {
        (IReadOnlyList<string> alsoProxy, IReadOnlyList<string> alsoProxyHosts) = TargetOption.Read("--also-proxy", AlsoProxy);
        (IReadOnlyList<string> neverProxy, IReadOnlyList<string> neverProxyHosts) = TargetOption.Read("--never-proxy", NeverProxy);
        if (Image is not null && (Image.Length == 0 || Image.Any(char.IsWhiteSpace)))
            throw new UserError(ExitCode.BadArguments, $"--image '{Image}': not an image reference like registry.example.com/telepresence-k8s:{ProductVersion.Text}.");
        return new ConnectOptions
        {
            AlsoProxy = alsoProxy,
            AlsoProxyHosts = alsoProxyHosts,
            NeverProxy = neverProxy,
            NeverProxyHosts = neverProxyHosts,
            DnsSuffixes = [.. DnsSuffix.Select(static suffix => TargetOption.ReadSuffix("--dns-suffix", suffix)).Distinct()],
            All = All,
            LogFile = LogFile is null ? null : Path.GetFullPath(LogFile),
            Verbose = Verbose,
            Image = Image,
        };
    }
}
