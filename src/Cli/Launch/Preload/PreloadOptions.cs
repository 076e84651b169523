using System.Net;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>What <see cref="PreloadMethod"/> works with.</summary>
internal sealed record PreloadOptions
{
    /// <summary>A directory of the user's alone, for the agent's socket; made if it is not there.</summary>
    internal required string Directory { get; init; }

    /// <summary>Networks that programs reach directly and not through the pod: the API server, the SSH peer.</summary>
    internal IReadOnlyList<IPNetwork> Exceptions { get; init; } = [];

    /// <summary>Is told, once for each, of programs that were started in the tree and are outside the cluster: a sentence for the user. Called
    /// on the engine's loop.</summary>
    internal Action<string>? Notice { get; init; }

    /// <summary>The shim; the one that is installed beside this program unless given.</summary>
    internal string Library { get; init; } = PreloadLibrary.Installed;

    /// <summary>What tells the machine's name servers, for tests.</summary>
    internal string ResolvConf { get; init; } = "/etc/resolv.conf";

    /// <summary>What the machine knows hosts by before it asks a name server, for tests.</summary>
    internal string Hosts { get; init; } = "/etc/hosts";

    /// <summary>In which order the machine looks names up, for tests.</summary>
    internal string Nsswitch { get; init; } = "/etc/nsswitch.conf";
}
