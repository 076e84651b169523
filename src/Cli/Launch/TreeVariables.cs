using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Launch;

/// <summary>Puts the environment of the tree's programs together: the user's own, the pod's over it, ours over both.</summary>
internal static class TreeVariables
{
    // A container's own values of these would keep programs of this machine from being found, or from starting.
    private static readonly HashSet<string> Hindering =
        ["PATH", "HOME", "SHELL", "TERM", "USER", "LOGNAME", "PWD", "OLDPWD", "TMPDIR"];

    /// <summary>The pod's variables that are not taken over.</summary>
    internal static IReadOnlyList<string> Kept(IReadOnlyDictionary<string, string> pod) => [.. pod.Keys.Where(Hinders)];

    /// <summary>Our own variables.</summary>
    /// <param name="pod">Name of the pod.</param>
    /// <param name="container">Name of the container.</param>
    /// <param name="volumes">Those of the volumes.</param>
    /// <param name="method">Those that the method needs.</param>
    internal static IReadOnlyDictionary<string, string> Own(string pod, string container, IReadOnlyDictionary<string, string> volumes, IReadOnlyDictionary<string, string> method) =>
        new[] { volumes, method }.SelectMany(static variables => variables)
            .Append(new("TELEPRESENCE_POD", pod))
            .Append(new("TELEPRESENCE_CONTAINER", container))
            .ToDictionary(StringComparer.Ordinal);

    /// <summary>A program's whole environment.</summary>
    /// <param name="user">The user's variables.</param>
    /// <param name="pod">The pod's.</param>
    /// <param name="own">Ours.</param>
    /// <param name="shell">What the user's shell needs.</param>
    internal static IReadOnlyDictionary<string, string> Merge(
        IReadOnlyDictionary<string, string> user, IReadOnlyDictionary<string, string> pod, IReadOnlyDictionary<string, string> own, IReadOnlyDictionary<string, string> shell)
    {
        Dictionary<string, string> merged = new(user, StringComparer.Ordinal);
        foreach ((string name, string value) in pod.Where(static variable => !Hinders(variable.Key)).Concat(own).Concat(shell))
            merged[name] = value;
        return merged;
    }

    private static bool Hinders(string name) => Hindering.Contains(name) || LoaderVariables.Is(name);
}
