using System.Globalization;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>The verbs of <c>ctl</c>.</summary>
internal sealed class ControlVerbs(Cluster cluster, Action down)
{
    public const string Help = """
        info                                     addresses and facts of this cluster, as JSON
        drop-port-forwards                       reset the connections of all port-forwards
        stall-port-forwards SECONDS              port-forwards stay open and move nothing
        refuse-port-forward on|off               new port-forwards fail
        away SECONDS                             the API server refuses connections
        slow MILLISECONDS                        every API request takes that much longer (0: no more)
        refuse VERB RESOURCE [USER]              403 for what RBAC would allow, e.g. refuse create pods/portforward dev
        kill-pod NAMESPACE/POD                   the pod is gone at once
        kill-container NAMESPACE/POD [CONTAINER] SIGKILL; the restart policy follows
        image-fault PATTERN SECONDS [MESSAGE]    pulls take longer, and fail if there is a message; * is a wildcard
        load-image FILE [NAME]                   import an OCI archive
        node VERB [ARGUMENT...]                  verbs of the node
        reset                                    all switches back, and the API server too if it is away
        down                                     end the cluster
        """;

    /// <exception cref="FormatException">Wrong use, in one sentence.</exception>
    public async Task<string> RunAsync(string verb, IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        switch (verb, arguments.ToArray())
        {
            case ("help", _):
                return Help;
            case ("info", []):
                return Info().ToJsonString(new System.Text.Json.JsonSerializerOptions(Json.Plain) { WriteIndented = true });
            case ("drop-port-forwards", []):
                return $"{cluster.Faults.DropPortForwards()} dropped";
            case ("stall-port-forwards", [var seconds]):
                cluster.Faults.StallPortForwards(Seconds(seconds));
                return $"{cluster.Faults.PortForwards} stalled";
            case ("refuse-port-forward", ["on" or "off"]):
                cluster.Faults.RefusePortForward = arguments[0] == "on";
                return "";
            case ("away", [var seconds]):
                cluster.Away(Seconds(seconds));
                return "";
            case ("slow", [var milliseconds]):
                cluster.Faults.Slowness = Seconds(milliseconds) / 1000;
                return "";
            case ("refuse", [var what, var resource, .. var user]) when user.Length <= 1:
                cluster.Faults.Refuse(what, resource, user.Length == 1 ? user[0] : null);
                return "";
            case ("kill-pod", [var name]):
                return KillPod(name);
            case ("kill-container", [var name, .. var container]) when container.Length <= 1:
                var pod = Pod(name);
                return cluster.Node.KillContainer(PodKey.Of(pod), container.Length == 1 ? container[0] : null) ? "" : throw new FormatException($"{name}: no such running container");
            case ("image-fault", [var pattern, var seconds, .. var message]):
                cluster.Faults.SpoilImages(pattern, new ImageFault(Seconds(seconds), message.Length > 0 ? string.Join(' ', message) : null));
                return "";
            case ("load-image", [var file, .. var name]) when name.Length <= 1:
                return await cluster.Node.ImportImageAsync(file, name.Length == 1 ? name[0] : null, cancel).ConfigureAwait(false);
            case ("node", [var own, .. var rest]):
                return (await cluster.Node.ControlAsync(own, rest, cancel).ConfigureAwait(false))?.ToJsonString(Json.Plain) ?? "";
            case ("reset", []):
                cluster.Faults.Reset();
                await cluster.ReturnAsync().ConfigureAwait(false);
                return "";
            case ("down", []):
                down();
                return "";
            default:
                throw new FormatException($"ctl {verb} {string.Join(' ', arguments)}: not a verb with such arguments\n{Help}");
        }
    }

    private JsonObject Info()
    {
        var info = cluster.NodeInfo;
        var notes = new JsonObject();
        foreach (var (key, value) in info?.Notes ?? new Dictionary<string, string>()) notes[key] = value;
        return new JsonObject
        {
            ["server"] = $"https://{cluster.Address}",
            ["nodeAddresses"] = Json.ArrayOf(info?.Addresses.Select(a => a.ToString()) ?? []),
            ["apiEndpoints"] = Json.ArrayOf(info?.ApiEndpoints.Select(e => e.ToString()) ?? []),
            ["portForwards"] = cluster.Faults.PortForwards,
            ["node"] = notes,
        };
    }

    private string KillPod(string name)
    {
        var pod = Pod(name);
        cluster.Node.KillContainer(PodKey.Of(pod), null);
        cluster.Registry.Delete(ResourceTypes.Pods, pod.Namespace(), pod.Name(), 0, null, (pod.Uid(), null), WriteContext.Internal);
        return "";
    }

    private JsonObject Pod(string name)
    {
        var parts = name.Split('/');
        var (home, own) = parts.Length == 2 ? (parts[0], parts[1]) : ("default", name);
        return cluster.Registry.Store.Get(ResourceTypes.Pods, home, own) ?? throw ApiException.NotFound(ResourceTypes.Pods, own);
    }

    private static TimeSpan Seconds(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var s) && s is >= 0 and < 1e6
            ? TimeSpan.FromSeconds(s) : throw new FormatException($"{text}: not a number of seconds");
}
