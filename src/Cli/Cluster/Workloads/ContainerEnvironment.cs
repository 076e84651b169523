using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>The environment of a container as its spec has it. A pure function.</summary>
internal static class ContainerEnvironment
{
    // Our own settings of the proxy in the container; the user's TELEPRESENCE_ variables are made by who starts the command.
    private static readonly HashSet<string> Settings = ["TELEPRESENCE_PORT", "TELEPRESENCE_KEY_HASH", "TELEPRESENCE_SESSION_TIMEOUT", "TELEPRESENCE_RESTORE"];

    /// <summary>
    /// Exactly what the container declares (<c>env</c>, <c>envFrom</c>, references resolved by the kubelet) and the variables of the
    /// Services; nothing that belongs to the image or the proxy, unless the spec declares a variable of the same name.
    /// </summary>
    /// <param name="report">What the proxy sees of its own environment.</param>
    /// <param name="pod">What the pod's object declares.</param>
    internal static IReadOnlyDictionary<string, string> Of(PodReport report, PodDescription pod)
    {
        SortedDictionary<string, string> variables = new(StringComparer.Ordinal);
        foreach ((string name, string value) in report.Environment.Concat(report.ImageEnvironment.Where(variable => pod.DeclaredNames.Contains(variable.Key))))
        {
            if (!Settings.Contains(name))
                variables[name] = value;
        }

        return variables;
    }
}
