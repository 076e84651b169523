using System.Text.RegularExpressions;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary><c>NAME</c> or <c>NAME:CONTAINER</c> from the command line, valid as Kubernetes has names.</summary>
/// <param name="Name">Name of a Deployment.</param>
/// <param name="Container">Name of one of its containers, or null.</param>
internal sealed partial record WorkloadName(string Name, string? Container)
{
    private const int LongestLabel = 63, LongestSubdomain = 253;

    /// <summary>Reads <c>NAME[:CONTAINER]</c> of an existing Deployment (RFC 1123 subdomain and label).</summary>
    /// <param name="text">What was given.</param>
    /// <param name="option">The option that it was given with, for the sentence.</param>
    /// <exception cref="UserError">It cannot be a name.</exception>
    internal static WorkloadName Parse(string text, string option)
    {
        string[] parts = text.Split(':');
        if (parts.Length > 2 || (parts.Length == 2 && parts[1].Length == 0))
            throw new UserError(ExitCode.BadArguments, $"{option} takes NAME or NAME:CONTAINER, not \"{text}\".");
        if (parts[0].Length > LongestSubdomain || !Subdomain().IsMatch(parts[0]))
            throw new UserError(ExitCode.BadArguments, $"\"{parts[0]}\" cannot be the name of a Deployment: names are made of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit; give another to {option}.");
        if (parts.Length == 2 && !IsLabel(parts[1]))
            throw new UserError(ExitCode.BadArguments, $"\"{parts[1]}\" cannot be the name of a container: names are made of lower-case letters, digits and '-', at most {LongestLabel}; give another to {option}.");
        return new WorkloadName(parts[0], parts.Length == 2 ? parts[1] : null);
    }

    /// <summary>Checks the name of a Deployment that is to be made: a label, as it becomes one on the pod and perhaps the name of a Service (RFC 1035).</summary>
    /// <param name="name">What was given.</param>
    /// <param name="exposes">Whether there will be a Service.</param>
    /// <exception cref="UserError">It cannot be a name.</exception>
    internal static void CheckNew(string name, bool exposes)
    {
        if (!IsLabel(name))
            throw new UserError(ExitCode.BadArguments, $"\"{name}\" cannot be the name of a new Deployment: names are made of lower-case letters, digits and '-', begin and end with a letter or digit, and have at most {LongestLabel} characters; give another to --new-deployment.");
        if (exposes && !char.IsAsciiLetterLower(name[0]))
            throw new UserError(ExitCode.BadArguments, $"\"{name}\" cannot be the name of a Service, which --expose makes: those begin with a letter; give another to --new-deployment.");
    }

    private static bool IsLabel(string name) => name.Length <= LongestLabel && Label().IsMatch(name);

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\z")]
    private static partial Regex Label();

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex Subdomain();
}
