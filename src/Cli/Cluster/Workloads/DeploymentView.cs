using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A Deployment as the server sent it, whole, with the questions that are asked of it.</summary>
/// <param name="Object">Every field, also those that this program does not know.</param>
internal sealed record DeploymentView(JsonObject Object)
{
    private const string DefaultContainer = "kubectl.kubernetes.io/default-container";

    /// <summary>Its name.</summary>
    internal string Name => (string)Object["metadata"]!["name"]!;

    /// <summary>The replicas that it asks for.</summary>
    internal int Replicas => HeldDeployment.ReplicasOf(Object);

    /// <summary>The spec of its pods.</summary>
    internal JsonObject PodSpec => Object["spec"]!["template"]!["spec"]!.AsObject();

    /// <summary>How long its pods may take to end.</summary>
    internal TimeSpan GracePeriod => TimeSpan.FromSeconds(PodSpec["terminationGracePeriodSeconds"] is JsonValue value && value.TryGetValue(out int seconds) ? seconds : 30);

    /// <summary>Label selector of its pods, as a query has it.</summary>
    internal string PodSelector => PodSelectorText.Of(Object["spec"]!["selector"]!.AsObject());

    /// <summary>Its containers.</summary>
    internal IReadOnlyList<JsonObject> Containers => [.. PodSpec["containers"]!.AsArray().Select(static container => container!.AsObject())];

    /// <summary>Finds a Deployment.</summary>
    /// <exception cref="UserError">There is none of that name; the sentence has near names.</exception>
    internal static async Task<DeploymentView> FindAsync(KubeClient client, string @namespace, string name, CancellationToken cancellation)
    {
        if (await new HeldDeployment(client, @namespace, name).FindAsync(cancellation) is { } found)
            return new DeploymentView(found);
        IReadOnlyList<string> near = [];
        try
        {
            KubeList<JsonObject> all = await client.GetAsync(KubeRequest.ListDeployments(@namespace), KubeJson.Default.KubeListJsonObject, cancellation);
            near = NearNames.Find(name, (all.Items ?? []).Select(static item => (string)item["metadata"]!["name"]!));
        }
        catch (KubeException)
        {
            // Who may not list them is told without.
        }

        throw new UserError(ExitCode.WorkloadMissing, $"There is no Deployment {name} in namespace {@namespace}; {(near.Count > 0 ? $"did you mean {NearNames.Join(near, "or")}? " : "")}kubectl get deployments -n {@namespace} lists those that exist, --namespace chooses another namespace.");
    }

    /// <summary>Finds the container that runs the proxy, by its image.</summary>
    /// <param name="wanted">The container that the user named, or null for the first with that image.</param>
    /// <exception cref="UserError">There is none, or its image is of another version.</exception>
    internal JsonObject FindProxyContainer(string? wanted)
    {
        JsonObject? container = wanted is null ? Containers.FirstOrDefault(IsProxy) : FindContainer(wanted);
        if (container is null || !IsProxy(container))
        {
            string what = wanted is null ? $"No container of Deployment {Name} runs" : $"Container {wanted} of Deployment {Name} does not run";
            throw new UserError(ExitCode.ContainerMissing, $"{what} the proxy image {ImageName.ProxyRepository}:{ProductVersion.Text} ({string.Join(", ", Containers.Select(static present => $"{NameOf(present)}: {ImageOf(present)}"))}); give one that does, or let --swap-deployment {Name} put a proxy in its place.");
        }

        ImageName image = ImageName.Parse(ImageOf(container));
        if (image.Tag is { } tag && tag != ProductVersion.Text)
            throw new UserError(ExitCode.ProxyVersion, $"Deployment {Name} runs version {tag} of the proxy ({ImageOf(container)}) and this telepresence is version {ProductVersion.Text}; make them the same, as with kubectl set image deployment/{Name} {NameOf(container)}={image.Repository}:{ProductVersion.Text}.");
        return container;
    }

    /// <summary>Chooses the container to replace: the one that was named, else the only one, else the one that kubectl takes by default.</summary>
    /// <param name="wanted">The container that the user named, or null.</param>
    /// <param name="note">What was chosen among several, for the user, or null.</param>
    /// <exception cref="UserError">There is none of that name.</exception>
    internal string ChooseContainer(string? wanted, out string? note)
    {
        note = null;
        if (wanted is not null)
            return NameOf(FindContainer(wanted));
        if (Containers.Count == 1)
            return NameOf(Containers[0]);
        string? marked = (string?)Object["spec"]!["template"]!["metadata"]?["annotations"]?[DefaultContainer];
        string chosen = Containers.Select(NameOf).FirstOrDefault(name => name == marked) ?? NameOf(Containers[0]);
        note = $"Deployment {Name} has containers {NearNames.Join([.. Containers.Select(NameOf)], "and")}; replacing {chosen} (choose with {Name}:CONTAINER).";
        return chosen;
    }

    /// <summary>A container's name.</summary>
    internal static string NameOf(JsonObject container) => (string)container["name"]!;

    /// <summary>A container's image.</summary>
    internal static string ImageOf(JsonObject container) => (string?)container["image"] ?? "";

    private static bool IsProxy(JsonObject container) => ImageName.Parse(ImageOf(container)).IsProxy;

    private JsonObject FindContainer(string wanted) =>
        Containers.FirstOrDefault(container => NameOf(container) == wanted)
        ?? throw new UserError(ExitCode.ContainerMissing, $"Deployment {Name} has no container {wanted}; it has {NearNames.Join([.. Containers.Select(NameOf)], "and")}.");
}
