using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Harness;

/// <summary>What the tests of the form without a verb share.</summary>
public sealed partial class PracticeClusterFixture
{
    /// <summary>Namespace of the sessions that tests share.</summary>
    internal const string Tree = "tree";

    private readonly Dictionary<Way, TreeShell> _sessions = [];
    private Laptop? _quiet;
    private readonly Dictionary<Way, Exception> _failedSessions = [];

    /// <summary>The proxy's image, as the cluster knows it.</summary>
    internal static string Image { get; } = $"telepresence/telepresence-k8s:{Version}";

    /// <summary>
    /// A session on a Deployment with everything that a container may have (tree.yaml), on a laptop of its own. Tests leave it as they
    /// found it.
    /// </summary>
    internal async Task<TreeShell> SessionAsync(Way way)
    {
        // Started once: without this, each of the tests would wait for what does not start.
        if (_failedSessions.TryGetValue(way, out Exception? fault))
            throw new InvalidOperationException($"The session {way} did not start.", fault);
        if (_sessions.TryGetValue(way, out TreeShell? session))
            return session;
        try
        {
            string name = SharedName(way);
            await ApplyAsync(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Harness/tree.yaml")), name);
            LaptopUser user = (await LaptopAsync()).As(way.Person());
            user.Environment["FAVOURITE"] = "green";
            session = await TreeShell.StartAsync(
                user, "--namespace", Tree, "--deployment", name, "--method", way.Method(), "--expose", "8080", "--expose", "9092:9091", "--expose", "7070/udp",
                "--to-pod", "9876", "--from-pod", "8910", "--env-json", user.At("env.json"), "--env-file", user.At("env.docker"));
        }
        catch (Exception reason)
        {
            _failedSessions[way] = reason;
            throw;
        }

        return _sessions[way] = session;
    }

    /// <summary>A laptop on which nothing runs, for tests that leave it so.</summary>
    internal async Task<Laptop> QuietAsync() => _quiet ??= await LaptopAsync();

    /// <summary>Gives that laptop up, after a test that left something on it.</summary>
    internal async Task ReplaceQuietAsync()
    {
        if (_quiet is not null)
            await _quiet.DisposeAsync();
        _quiet = null;
    }

    /// <summary>Name of the Deployment and the Service of <see cref="SessionAsync"/>.</summary>
    internal static string SharedName(Way way) => $"rich-{way.Label()}";

    /// <summary>A new directory that all laptops see.</summary>
    internal string MakeDirectory(string name) => Directory.CreateDirectory(Path.Combine(_root, name)).FullName;

    /// <summary>Applies objects.</summary>
    /// <param name="yaml">With $NAME and $IMAGE in it.</param>
    /// <param name="name">What $NAME stands for.</param>
    internal async Task ApplyAsync(string yaml, string name = "")
    {
        string file = Path.Combine(_root, "apply.yaml");
        await File.WriteAllTextAsync(file, yaml.Replace("$NAME", name, StringComparison.Ordinal).Replace("$IMAGE", Image, StringComparison.Ordinal));
        (await Kubectl("apply", "-f", file)).Good();
    }

    /// <summary>Waits until all pods of a Deployment are ready, and no others are left of it.</summary>
    internal Task RolledOutAsync(string @namespace, string deployment) => Eventually.GivesAsync(
        $"{deployment} is rolled out",
        async () =>
        {
            JsonNode item = await Api.GetAsync($"/apis/apps/v1/namespaces/{@namespace}/deployments/{deployment}");
            JsonNode? status = item["status"];
            int wanted = (int)item["spec"]!["replicas"]!;
            return $"{status?["availableReplicas"] ?? 0}/{status?["replicas"] ?? 0}/{wanted} {(long?)status?["observedGeneration"] >= (long)item["metadata"]!["generation"]!}";
        },
        static text => text.Split(' ', '/') is [var available, var all, var wanted, "True"] && available == wanted && all == wanted);

    /// <summary>Runs a command in a pod of a Deployment, as kubectl exec does.</summary>
    internal Task<CommandResult> InPodAsync(string @namespace, string deployment, string script) =>
        Kubectl("exec", "--namespace", @namespace, $"deployment/{deployment}", "--", "sh", "-c", script);

    /// <summary>Runs kubectl as the administrator.</summary>
    internal async Task<CommandResult> Kubectl(params string[] arguments)
    {
        ProcessStartInfo start = new("kubectl", ["--kubeconfig", Path.Combine(_root, "kubeconfig"), .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CommandResult($"kubectl {string.Join(' ', arguments)}", process.ExitCode, await output, error);
    }

    /// <summary>
    /// All objects of a namespace that telepresence may make or change, with what somebody wants of them but not what the cluster says
    /// of their state.
    /// </summary>
    internal async Task<string> SnapshotAsync(string @namespace)
    {
        List<string> lines = [];
        foreach (string path in (string[])
            [
                "/apis/apps/v1/namespaces/{0}/deployments", "/api/v1/namespaces/{0}/services", "/api/v1/namespaces/{0}/secrets", "/api/v1/namespaces/{0}/configmaps",
                "/api/v1/namespaces/{0}/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/namespaces/{0}/roles", "/apis/rbac.authorization.k8s.io/v1/namespaces/{0}/rolebindings",
            ])
        {
            foreach (JsonNode? item in (await Api.GetAsync(path.Replace("{0}", @namespace, StringComparison.Ordinal)))["items"]!.AsArray())
            {
                JsonObject metadata = item!["metadata"]!.AsObject();
                foreach (string key in (string[])["resourceVersion", "generation", "managedFields"])
                    metadata.Remove(key);
                metadata["annotations"]?.AsObject().Remove("deployment.kubernetes.io/revision");
                item.AsObject().Remove("status");
                lines.Add($"{path.Split('/')[^1]} {metadata["name"]} {item.ToJsonString()}");
            }
        }

        // Pods have names of chance, and are others after a swap: their owners are what is compared.
        foreach (JsonNode? pod in (await Api.GetAsync($"/api/v1/namespaces/{@namespace}/pods"))["items"]!.AsArray())
            lines.Add($"pod of {string.Join(' ', ((string)pod!["metadata"]!["name"]!).Split('-')[..^2])}");
        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines);
    }

    /// <summary>Waits until a namespace is as it was.</summary>
    internal async Task IsAsBeforeAsync(string @namespace, string before) =>
        await Eventually.GivesAsync($"namespace {@namespace} is as before:\n{before}\n", () => SnapshotAsync(@namespace), after => after == before);

    private async Task EndSessionsAsync()
    {
        foreach (TreeShell session in _sessions.Values)
            await session.DisposeAsync();
    }
}
