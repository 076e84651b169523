using System.Globalization;
using System.Net;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>The options of <c>up</c>.</summary>
internal sealed record Options(
    string StateDirectory, string? Kubeconfig, IPEndPoint Listen, string? Users, string? Instance, string? ClusterName, bool PretendPods)
{
    public const string Usage = """
        PracticeCluster up --state DIR [--kubeconfig FILE] [--listen ADDRESS:PORT] [--users FILE] [--instance ID] [--context NAME]
        PracticeCluster down --state DIR
        PracticeCluster ctl --state DIR VERB [ARGUMENT...]     (ctl help lists the verbs)
        """;

    /// <exception cref="FormatException">One sentence for the user.</exception>
    public static (string Command, Options Options, IReadOnlyList<string> Remainder) Parse(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0) throw new FormatException(Usage);
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var rest = new List<string>();
        for (var i = 1; i < arguments.Count; i++)
        {
            // What follows the verb of ctl belongs to the verb.
            if (rest.Count > 0 || !arguments[i].StartsWith("--", StringComparison.Ordinal)) rest.Add(arguments[i]);
            else if (arguments[i] == "--pretend-pods") values[arguments[i]] = "";
            else if (arguments[i] is "--state" or "--kubeconfig" or "--listen" or "--users" or "--instance" or "--context" && i + 1 < arguments.Count)
                values[arguments[i]] = arguments[++i];
            else throw new FormatException($"unknown option or missing value: {arguments[i]}\n{Usage}");
        }
        if (!values.TryGetValue("--state", out var state)) throw new FormatException($"--state DIR is required\n{Usage}");
        var instance = values.GetValueOrDefault("--instance");
        if (instance is { } id && (id.Length is 0 or > 6 || !id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))))
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"--instance {id}: one to six lower-case letters and digits"));
        if (!IPEndPoint.TryParse(values.GetValueOrDefault("--listen", "127.0.0.1:0"), out var listen))
            throw new FormatException($"--listen {values["--listen"]}: not ADDRESS:PORT");
        return (arguments[0], new Options(Path.GetFullPath(state), values.GetValueOrDefault("--kubeconfig"), listen, values.GetValueOrDefault("--users"),
            instance, values.GetValueOrDefault("--context"), values.ContainsKey("--pretend-pods")), rest);
    }
}
