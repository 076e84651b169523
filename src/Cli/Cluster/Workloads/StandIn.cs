using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// The Deployment that stands in for a swapped one: a copy with the proxy in one container. Pure functions over the object as the server
/// sent it, so that what this program does not know is copied too.
/// </summary>
/// <remarks>
/// <para>Kept: labels and annotations of the template (so that Services select its pod and sidecars are injected as before), environment,
/// volumes, ports, service account, pull secrets, scheduling, init containers, the other containers, resources. Not kept: labels and
/// annotations of the Deployment itself (a GitOps controller would take the copy for its own and delete it), and of the replaced container
/// what belongs to its program: command, arguments, working directory, probes, hooks.</para>
/// <para>A label of its own in the selector keeps the pods apart from those of the original's ReplicaSets.</para>
/// </remarks>
internal sealed record StandIn
{
    /// <summary>Where the token is mounted with which the pod restores; none of the original's volumes.</summary>
    internal const string RestoreMountPath = "/var/run/secrets/telepresence.io/restore";

    /// <summary>What the component label of a stand-in and its rights says.</summary>
    internal const string Component = "stand-in";

    /// <summary>The annotation of a stand-in that names the original.</summary>
    internal const string OriginalKey = "telepresence.io/stands-in-for";

    private const string RestoreVolume = "telepresence-restore";
    private const long ImageUser = 65532;
    private const int GraceSeconds = 10, ProxyPortTries = 100;
    private const string LeastMemory = "128Mi";

    // What a volume mounted here would hide is the proxy itself.
    private static readonly string[] ProxyPlaces = ["/opt/telepresence", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/openssh", "/lib", "/lib64"];

    private static readonly string[] OwnProgram = ["command", "args", "workingDir", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "stdin", "stdinOnce", "tty"];
    private static readonly string[] PersistentVolumes = ["persistentVolumeClaim", "ephemeral", "csi", "nfs", "iscsi", "cephfs", "glusterfs", "rbd", "flexVolume", "awsElasticBlockStore", "gcePersistentDisk", "azureDisk", "azureFile"];

    /// <summary>Its name.</summary>
    internal required string Name { get; init; }

    /// <summary>The session that it serves.</summary>
    internal required string Session { get; init; }

    /// <summary>What the pods' session label says, which tells one attempt's pods from another's.</summary>
    internal required string PodSession { get; init; }

    /// <summary>The container to put the proxy in.</summary>
    internal required string Container { get; init; }

    /// <summary>The proxy's image.</summary>
    internal required string Image { get; init; }

    /// <summary>Lowercase hexadecimal SHA-256 of the session key.</summary>
    internal required string KeyHash { get; init; }

    /// <summary>Who holds the original.</summary>
    internal required Hold Hold { get; init; }

    /// <summary>After how long without a client the pod restores the original.</summary>
    internal required TimeSpan RestoreAfter { get; init; }

    /// <summary>Whether the pod asks for what some clusters forbid: the safe sysctls, and a group to read files with.</summary>
    internal bool WithSysctls { get; init; } = true;

    /// <summary>What the user should know about the copy: where it differs.</summary>
    internal List<string> Notes { get; } = [];

    /// <summary>The loopback port that the proxy was given by <see cref="ToObject"/>.</summary>
    internal int Port { get; private set; } = ProxyDeployment.Port;

    /// <summary>A name for the stand-in of <paramref name="original"/>, short enough to stay whole in its pods' names.</summary>
    internal static string NameFor(string original, string session)
    {
        const int longest = 39, digits = 5;
        string stem = original.Length <= longest ? original : original[..longest].TrimEnd('-', '.');
        return $"{stem}-telepresence-{session[..digits]}";
    }

    /// <summary>Labels of what we make ourselves.</summary>
    internal static JsonObject OwnLabels(string session) => new()
    {
        ["app.kubernetes.io/name"] = "telepresence",
        [ProxyDeployment.ComponentLabel] = Component,
        ["app.kubernetes.io/managed-by"] = "telepresence",
        ["app.kubernetes.io/version"] = ProductVersion.Text,
        [ProxyDeployment.SessionLabel] = session,
    };

    /// <summary>Whether original and stand-in must not run side by side: the original has to go first.</summary>
    internal static bool CannotCoexist(DeploymentView original) =>
        (string?)original.Object["spec"]!["strategy"]?["type"] == "Recreate"
        || Flag(original.PodSpec, "hostNetwork")
        || Each(original.PodSpec, "volumes").Any(static volume => volume["persistentVolumeClaim"] is not null)
        || original.Containers.Any(static container => Each(container, "ports").Any(static port => port["hostPort"] is not null));

    /// <summary>The object to create.</summary>
    /// <exception cref="UserError">The proxy cannot run in that pod.</exception>
    internal JsonObject ToObject(DeploymentView original)
    {
        JsonObject spec = original.Object["spec"]!.DeepClone().AsObject();
        spec["replicas"] = 1;
        spec["revisionHistoryLimit"] = 0;
        spec["strategy"] = new JsonObject { ["type"] = "Recreate" };
        spec["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { [ProxyDeployment.SessionLabel] = PodSession } };
        spec.Remove("minReadySeconds");
        spec.Remove("paused");
        JsonObject template = spec["template"]!.AsObject();
        Child(Child(template, "metadata"), "labels")[ProxyDeployment.SessionLabel] = PodSession;
        JsonObject pod = template["spec"]!.AsObject();
        ChooseNodes(pod, original);
        pod["terminationGracePeriodSeconds"] = Math.Min(GraceSeconds, Number(pod, "terminationGracePeriodSeconds") ?? GraceSeconds);
        JsonObject container = Each(pod, "containers").First(present => DeploymentView.NameOf(present) == Container);
        Port = ChoosePort(pod);
        Replace(container, original);
        KeepMemory(container);
        Restrict(container, pod, mayAddGroup: WithSysctls);
        if (WithSysctls && !Flag(pod, "hostNetwork"))
            AddSysctls(Child(pod, "securityContext"));
        AddRestoreToken(container, pod);
        JsonObject annotations = new() { [OriginalKey] = original.Name };
        foreach ((string key, string value) in (Hold with { StandIn = null, Replicas = null }).ToAnnotations())
            annotations[key] = value;
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "Deployment",
            ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = (string?)original.Object["metadata"]!["namespace"], ["labels"] = OwnLabels(Session), ["annotations"] = annotations },
            ["spec"] = spec,
        };
    }

    // The proxy's image is for one kind of processor; the original's may be for several.
    private static void ChooseNodes(JsonObject pod, DeploymentView original)
    {
        string? wanted = (string?)pod["nodeSelector"]?[ProxyDeployment.ArchitectureLabel];
        JsonObject[] terms = pod["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"] is JsonObject required ? [.. Each(required, "nodeSelectorTerms")] : [];
        if (wanted is not (null or ProxyDeployment.Architecture) || (terms.Length > 0 && terms.All(static term => Each(term, "matchExpressions").Any(Excludes))))
            throw new UserError(ExitCode.PodRefused, $"Deployment {original.Name} must run on nodes that are not {ProxyDeployment.Architecture} ({ProxyDeployment.ArchitectureLabel}), and the proxy's image runs on no others; it cannot be swapped.");
        Child(pod, "nodeSelector")[ProxyDeployment.ArchitectureLabel] = ProxyDeployment.Architecture;

        static bool Excludes(JsonObject expression)
        {
            if ((string?)expression["key"] != ProxyDeployment.ArchitectureLabel)
                return false;
            bool named = (expression["values"] as JsonArray ?? []).Any(static value => (string?)value == ProxyDeployment.Architecture);
            return (string?)expression["operator"] switch
            {
                "In" => !named,
                "NotIn" => named,
                "DoesNotExist" => true,
                _ => false,
            };
        }
    }

    private void Replace(JsonObject container, DeploymentView original)
    {
        foreach (JsonObject mount in Each(container, "volumeMounts"))
        {
            string path = ((string?)mount["mountPath"] ?? "").TrimEnd('/');
            if (ProxyPlaces.Any(place => place == path || place.StartsWith(path + "/", StringComparison.Ordinal)))
                throw new UserError(ExitCode.PodRefused, $"Container {Container} of Deployment {original.Name} has a volume at {mount["mountPath"]}, which would hide the proxy's own program; it cannot be swapped.");
        }

        foreach (string field in OwnProgram)
            container.Remove(field);
        container["image"] = Image;
        container["imagePullPolicy"] = "IfNotPresent";
        JsonArray variables = ChildArray(container, "env");
        foreach ((string name, string value) in Settings(original))
        {
            foreach (JsonNode? declared in variables.Where(variable => (string?)variable!["name"] == name).ToArray())
                variables.Remove(declared);
            variables.Add((JsonNode)new JsonObject { ["name"] = name, ["value"] = value });
        }
    }

    private IEnumerable<(string Name, string Value)> Settings(DeploymentView original)
    {
        yield return ("TELEPRESENCE_PORT", Port.ToString(CultureInfo.InvariantCulture));
        yield return ("TELEPRESENCE_KEY_HASH", KeyHash);
        JsonObject restore = new()
        {
            ["namespace"] = (string?)original.Object["metadata"]!["namespace"],
            ["deployment"] = original.Name,
            ["standIn"] = Name,
            ["session"] = Session,
            ["after"] = (int)RestoreAfter.TotalSeconds,
            ["sessionKey"] = Hold.SessionKey,
            ["replicasKey"] = Hold.ReplicasKey,
        };

        // "$(NAME)" would be taken for a variable; none of these can hold one.
        yield return ("TELEPRESENCE_RESTORE", restore.ToJsonString());
    }

    // A limit that is too small for the proxy is raised; what the program is told about its resources stays as it was.
    private void KeepMemory(JsonObject container)
    {
        if (container["resources"]?["limits"] is not JsonObject limits || (string?)limits["memory"] is not { } text
            || !Quantity.TryParse(text, out decimal limit) || !Quantity.TryParse(LeastMemory, out decimal least) || limit >= least)
            return;
        foreach (JsonObject variable in Each(container, "env"))
        {
            if (variable["valueFrom"]?["resourceFieldRef"] is not JsonObject reference || (string?)reference["resource"] != "limits.memory" || ((string?)reference["containerName"] ?? Container) != Container)
                continue;
            variable["value"] = Quantity.Divide(limit, (string?)reference["divisor"]);
            variable.Remove("valueFrom");
        }

        limits["memory"] = LeastMemory;
        Notes.Add($"The memory limit of container {Container}, {text}, is too small for the proxy; the stand-in has {LeastMemory}.");
    }

    // As restricted as it can be and still read what the original read: its user and groups stay. An original that names no user runs as
    // its image's, often root; the proxy's image has its own, and gets at files for root alone through the pod's group.
    private static void Restrict(JsonObject container, JsonObject pod, bool mayAddGroup)
    {
        JsonObject own = Child(container, "securityContext");
        JsonObject shared = Child(pod, "securityContext");
        long? user = Long(own, "runAsUser") ?? Long(shared, "runAsUser");
        own.Remove("privileged");
        own.Remove("procMount");
        own["allowPrivilegeEscalation"] = false;
        own["readOnlyRootFilesystem"] = true;
        own["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") };
        own["runAsNonRoot"] = user != 0;
        if ((string?)(own["seccompProfile"] ?? shared["seccompProfile"])?["type"] is null or "Unconfined")
            own["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" };
        if (mayAddGroup && user is null && shared["fsGroup"] is null && NeedsGroup(container, pod))
            shared["fsGroup"] = ImageUser;
    }

    // A group for the pod is set only where it helps, and never where it would change files that outlive the pod.
    private static bool NeedsGroup(JsonObject container, JsonObject pod)
    {
        HashSet<string?> mounted = [.. Each(container, "volumeMounts").Select(static mount => (string?)mount["name"])];
        JsonObject[] volumes = [.. Each(pod, "volumes")];
        return volumes.Any(volume => mounted.Contains((string?)volume["name"]) && IsForOwnerOnly(volume))
            && !volumes.Any(static volume => PersistentVolumes.Any(volume.ContainsKey));
    }

    private static bool IsForOwnerOnly(JsonObject volume)
    {
        const int readableByAll = 4;
        JsonObject? source = volume["secret"] as JsonObject ?? volume["configMap"] as JsonObject ?? volume["projected"] as JsonObject ?? volume["downwardAPI"] as JsonObject;
        return source is not null && ((Number(source, "defaultMode") is { } mode && (mode & readableByAll) == 0)
            || Each(source, "items").Any(static item => Number(item, "mode") is { } own && (own & readableByAll) == 0));
    }

    private static void AddSysctls(JsonObject security)
    {
        JsonArray sysctls = ChildArray(security, "sysctls");
        foreach (Sysctl safe in ProxyDeployment.SafeSysctls)
        {
            if (sysctls.All(present => (string?)present!["name"] != safe.Name))
                sysctls.Add((JsonNode)new JsonObject { ["name"] = safe.Name, ["value"] = safe.Value });
        }
    }

    // Of its own, because the original may have automountServiceAccountToken off.
    private static void AddRestoreToken(JsonObject container, JsonObject pod)
    {
        ChildArray(pod, "volumes").Add((JsonNode)new JsonObject
        {
            ["name"] = RestoreVolume,
            ["projected"] = new JsonObject
            {
                ["sources"] = new JsonArray(
                    new JsonObject { ["serviceAccountToken"] = new JsonObject { ["path"] = "token", ["expirationSeconds"] = 3600 } },
                    new JsonObject
                    {
                        ["configMap"] = new JsonObject
                        {
                            ["name"] = "kube-root-ca.crt",
                            ["optional"] = true,
                            ["items"] = new JsonArray(new JsonObject { ["key"] = "ca.crt", ["path"] = "ca.crt" }),
                        },
                    }),
            },
        });
        ChildArray(container, "volumeMounts").Add((JsonNode)new JsonObject { ["name"] = RestoreVolume, ["mountPath"] = RestoreMountPath, ["readOnly"] = true });
    }

    // The first from 7700 on that no container of the pod declares; on the node's own network any other pod may have 7700.
    private int ChoosePort(JsonObject pod)
    {
        HashSet<int?> taken = [.. Each(pod, "containers").Concat(Each(pod, "initContainers")).SelectMany(static container => Each(container, "ports")).Select(static port => (int?)Number(port, "containerPort"))];
        int first = ProxyDeployment.Port + (Flag(pod, "hostNetwork") ? 1 + (int.Parse(Session[..3], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) * 7 % 20_000) : 0);
        return Enumerable.Range(first, ProxyPortTries).First(port => !taken.Contains(port));
    }

    private static IEnumerable<JsonObject> Each(JsonObject parent, string list) => (parent[list] as JsonArray ?? []).Select(static item => item!.AsObject());

    private static bool Flag(JsonObject parent, string name) => parent[name] is JsonValue value && value.TryGetValue(out bool flag) && flag;

    private static long? Long(JsonObject parent, string name) => parent[name] is JsonValue value && value.TryGetValue(out long number) ? number : null;

    private static long? Number(JsonObject parent, string name) => Long(parent, name);

    private static JsonObject Child(JsonObject parent, string name)
    {
        if (parent[name] is JsonObject there)
            return there;
        JsonObject made = [];
        parent[name] = made;
        return made;
    }

    private static JsonArray ChildArray(JsonObject parent, string name)
    {
        if (parent[name] is JsonArray there)
            return there;
        JsonArray made = [];
        parent[name] = made;
        return made;
    }
}
