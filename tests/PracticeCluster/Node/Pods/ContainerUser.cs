using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Who a container's processes are.</summary>
/// <param name="Home">From the image's /etc/passwd, or /.</param>
internal sealed record ContainerUser(int User, int Group, IReadOnlyList<int> Groups, string Home)
{
    /// <exception cref="NodeException">runAsNonRoot does not hold, or the image names an unknown user.</exception>
    internal static ContainerUser Of(JsonNode pod, JsonNode container, Image image, LayeredRoot root)
    {
        JsonNode? podContext = pod.At("spec", "securityContext");
        JsonNode? context = container.At("securityContext");
        long? asUser = context.Number("runAsUser") ?? podContext.Number("runAsUser");
        long? asGroup = context.Number("runAsGroup") ?? podContext.Number("runAsGroup");
        string[] named = image.Configuration.User.Split(':');
        string wanted = asUser?.ToString(CultureInfo.InvariantCulture) ?? (named[0].Length > 0 ? named[0] : "0");
        bool numeric = int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int user);
        bool nonRoot = context.Flag("runAsNonRoot") ?? podContext.Flag("runAsNonRoot") ?? false;
        if (nonRoot && !numeric)
            throw new NodeException($"container has runAsNonRoot and image has non-numeric user ({wanted}), cannot verify user is non-root");
        if (nonRoot && user == 0)
            throw new NodeException(asUser is null ? "container has runAsNonRoot and image will run as root" : "container's runAsUser breaks non-root policy");

        string[]? entry = Lookup(root, "/etc/passwd", fields => fields.Length >= 6 && (numeric ? fields[2] == wanted : fields[0] == wanted));
        if (entry is null && !numeric)
            throw new NodeException($"unable to find user {wanted}: no matching entries in passwd file");
        if (!numeric)
            user = int.Parse(entry![2], CultureInfo.InvariantCulture);
        int group = (int)(asGroup ?? (named.Length > 1 && asUser is null ? GroupNumber(root, named[1])
            : entry is null ? 0 : int.Parse(entry[3], CultureInfo.InvariantCulture)));
        IEnumerable<int> groups = podContext.Items("supplementalGroups").Select(item => (int)item.Number()!.Value);
        if (podContext.Number("fsGroup") is long filesystemGroup)
            groups = groups.Append((int)filesystemGroup);
        return new ContainerUser(user, group, [.. groups.Distinct()], entry is null ? "/" : entry[5]);
    }

    private static int GroupNumber(LayeredRoot root, string name) =>
        int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : Lookup(root, "/etc/group", fields => fields.Length >= 3 && fields[0] == name) is string[] entry
                ? int.Parse(entry[2], CultureInfo.InvariantCulture)
                : throw new NodeException($"unable to find group {name}: no matching entries in group file");

    private static string[]? Lookup(LayeredRoot root, string path, Func<string[], bool> matches) =>
        root.Resolve(path) is { RealPath: string file, IsDirectory: false }
            ? File.ReadLines(file).Select(line => line.Split(':')).FirstOrDefault(matches)
            : null;
}
