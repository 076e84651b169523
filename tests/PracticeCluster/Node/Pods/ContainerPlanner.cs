using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Decides all that a container's start depends on, from its spec, its image and the pod.</summary>
internal sealed class ContainerPlanner(PodContext pod, JsonNode spec)
{
    /// <param name="run">The run's own directory in the node's mount namespace.</param>
    /// <exception cref="NodeException">CreateContainerConfigError.</exception>
    internal ContainerPlan Plan(Image image, string run)
    {
        var root = new LayeredRoot([.. image.Layers.Select(pod.Visible)]);
        ContainerUser user = ContainerUser.Of(pod.Pod, spec, image, root);
        Dictionary<string, string> declared = new EnvironmentBuilder(pod.Node.Lookup, pod.Pod, pod.Fields).Build(spec);
        List<string> command = [.. Command(image).Select(word => VariableExpansion.Expand(word, name => declared.GetValueOrDefault(name)))];
        if (command.Count == 0)
            throw new NodeException("no command specified");
        JsonNode? context = spec.At("securityContext");
        bool privileged = context.Flag("privileged") == true;
        var program = new ProgramPlan(
            command,
            Environment(image, user, declared),
            spec.Text("workingDir") ?? image.Configuration.WorkingDirectory,
            user,
            Capabilities.Dropped(spec),
            context.Flag("allowPrivilegeEscalation") == false && !privileged);
        return new ContainerPlan(
            run, image, root, [.. Mounts(image, run, declared)], program,
            context.Flag("readOnlyRootFilesystem") == true, privileged, pod.Node.DevicesDirectory);
    }

    private IEnumerable<string> Command(Image image)
    {
        string[] command = [.. spec.Texts("command")];
        string[] arguments = [.. spec.Texts("args")];
        if (command.Length > 0)
            return command.Concat(arguments);
        return image.Configuration.Entrypoint.Concat(arguments.Length > 0 ? arguments : image.Configuration.Command);
    }

    private Dictionary<string, string> Environment(Image image, ContainerUser user, Dictionary<string, string> declared)
    {
        var result = new Dictionary<string, string>
        {
            ["PATH"] = ImageConfiguration.DefaultPath,
            ["HOSTNAME"] = pod.Pod.Text("spec", "hostname") ?? pod.Key.Name,
            ["HOME"] = user.Home,
        };
        if (spec.Flag("tty") == true)
            result["TERM"] = "xterm";
        foreach (string[] pair in image.Configuration.Environment.Select(variable => variable.Split('=', 2)))
            result[pair[0]] = pair.Length > 1 ? pair[1] : "";
        foreach ((string name, string value) in declared)
            result[name] = value;
        return result;
    }

    private IEnumerable<ContainerMount> Mounts(Image image, string run, Dictionary<string, string> declared)
    {
        foreach (ImageBind bind in image.Binds)
            yield return new ContainerMount(bind.Source, bind.Target, !bind.Writable, IsDirectory: true);
        foreach (string name in (string[])["hosts", "hostname", "resolv.conf"])
            yield return new ContainerMount($"{pod.Directory}/{name}", $"/etc/{name}", ReadOnly: false, IsDirectory: false);
        string message = spec.Text("terminationMessagePath") ?? "/dev/termination-log";
        yield return new ContainerMount($"{run}/termination-log", message, ReadOnly: false, IsDirectory: false);
        foreach (JsonNode mount in spec.Items("volumeMounts").OrderBy(m => m.Text("mountPath")!.Length))
            yield return VolumeMount(mount, declared);
    }

    private ContainerMount VolumeMount(JsonNode mount, Dictionary<string, string> declared)
    {
        string name = mount.Text("name")!;
        JsonNode volume = pod.Pod.Items("spec", "volumes").FirstOrDefault(v => v.Text("name") == name)
            ?? throw new NodeException($"volume \"{name}\" does not exist");
        bool readOnly = mount.Flag("readOnly") == true || volume.At("emptyDir") is null;
        string source = $"{pod.Directory}/volumes/{name}";
        string? subPath = mount.Text("subPathExpr") is string expression
            ? VariableExpansion.Expand(expression, variable => declared.GetValueOrDefault(variable))
            : mount.Text("subPath");
        if (string.IsNullOrEmpty(subPath))
            return new ContainerMount(source, mount.Text("mountPath")!, readOnly, IsDirectory: true);

        // Bound as it is now: like a kubelet's, a subPath does not follow later changes.
        LayeredRoot.Found found = new LayeredRoot([pod.Visible(source)]).Resolve(subPath);
        if (found.RealPath is null)
        {
            System.IO.Directory.CreateDirectory(pod.Visible(source + found.Path));
            found = found with { IsDirectory = true };
        }

        return new ContainerMount(source + found.Path, mount.Text("mountPath")!, readOnly, found.IsDirectory);
    }
}
