using System.Diagnostics;
using System.Text.Json;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Cluster;

/// <summary>Which cluster and namespace are meant, as kubectl reads the user's configuration.</summary>
/// <param name="Context">Name of the kubeconfig context.</param>
/// <param name="Namespace">Namespace the proxy pod runs in and short names are looked up in.</param>
/// <param name="Server">URL of the API server.</param>
/// <param name="Kubeconfig">File given with <c>--kubeconfig</c>, absolute, or null for kubectl's own choice.</param>
internal sealed record KubeTarget(string Context, string Namespace, string Server, string? Kubeconfig)
{
    /// <summary>
    /// What <c>KUBECONFIG</c> said when no file was given, made absolute; null when it was not set. Another process has another one.
    /// </summary>
    public string? Variable { get; init; }

    /// <summary>Asks <c>kubectl config view</c>, as the user.</summary>
    /// <exception cref="UserError">kubectl, the kubeconfig, the context or its cluster is missing.</exception>
    internal static async Task<KubeTarget> ResolveAsync(InvokingUser user, string? kubeconfig, string? context, string? @namespace, CancellationToken cancellation)
    {
        if (kubeconfig is not null && !File.Exists(kubeconfig))
            throw new UserError(ExitCode.Kubeconfig, $"The kubeconfig {kubeconfig} does not exist; give an existing file with --kubeconfig.");
        List<string> arguments = ["config", "view", "--minify", "--output", "json"];
        AddSelection(arguments, kubeconfig, context);
        ProcessStartInfo start = user.StartInfo(Kubectl(user), arguments);
        start.RedirectStandardOutput = start.RedirectStandardError = start.RedirectStandardInput = true;
        using Process process = Start(start);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
        Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await process.WaitForExitAsync(cancellation);
            return process.ExitCode == 0
                ? Parse(await output, kubeconfig, @namespace) with { Variable = kubeconfig is null ? AbsoluteVariable(user) : null }
                : throw KubectlFailure.Explain(await error, Source(user, kubeconfig), context);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    /// <summary>Checks that a context still leads to the API server that it led to once.</summary>
    /// <exception cref="IOException">It leads elsewhere.</exception>
    internal void CheckLeadsTo(string server)
    {
        if (!string.Equals(Server.TrimEnd('/'), server.TrimEnd('/'), StringComparison.OrdinalIgnoreCase))
            throw new IOException($"context {Context} leads to {Server} now and not to {server}, where it was made; it is left until the kubeconfig leads there again");
    }

    /// <summary>The user with the <c>KUBECONFIG</c> of back then in the environment.</summary>
    internal static InvokingUser WithVariable(InvokingUser user, string? variable)
    {
        Dictionary<string, string> environment = new(user.Environment, StringComparer.Ordinal);
        environment.Remove("KUBECONFIG");
        if (variable is not null)
            environment["KUBECONFIG"] = variable;
        return user with { Environment = environment };
    }

    /// <summary>Adds <c>--kubeconfig</c> and <c>--context</c> for kubectl.</summary>
    internal static void AddSelection(List<string> arguments, string? kubeconfig, string? context)
    {
        if (kubeconfig is not null)
            arguments.AddRange(["--kubeconfig", kubeconfig]);
        if (context is not null)
            arguments.AddRange(["--context", context]);
    }

    /// <summary>The user's kubectl.</summary>
    /// <exception cref="UserError">There is none.</exception>
    internal static string Kubectl(InvokingUser user) =>
        user.FindProgram("kubectl")
        ?? throw new UserError(ExitCode.KubectlMissing, $"kubectl is not in the PATH of {user.Name}; install it (https://kubernetes.io/docs/tasks/tools) or add its directory to PATH.");

    /// <summary>Where kubectl looks for its configuration, in words.</summary>
    internal static string Source(InvokingUser user, string? kubeconfig) =>
        kubeconfig
        ?? (user.Environment.TryGetValue("KUBECONFIG", out string? variable) && variable.Length > 0 ? $"KUBECONFIG={variable}" : Path.Combine(user.Home, ".kube/config"));

    /// <summary>Reads what <c>kubectl config view --minify --output json</c> printed.</summary>
    internal static KubeTarget Parse(string json, string? kubeconfig, string? @namespace)
    {
        KubeconfigView view = JsonSerializer.Deserialize(json, KubeJson.Default.KubeconfigView)
            ?? throw new UserError(ExitCode.Kubeconfig, "kubectl config view printed nothing; check the kubeconfig.");
        KubeconfigContext? context = view.Contexts?.FirstOrDefault(entry => entry.Name == view.CurrentContext)?.Context;
        string? server = view.Clusters?.FirstOrDefault(entry => entry.Name == context?.Cluster)?.Cluster?.Server;
        if (view.CurrentContext is not { Length: > 0 } || context is null || server is not { Length: > 0 })
            throw new UserError(ExitCode.Kubeconfig, $"The kubeconfig's context {view.CurrentContext} names no cluster with a server; complete it with kubectl config set-cluster.");
        return new KubeTarget(view.CurrentContext, @namespace ?? (context.Namespace is { Length: > 0 } set ? set : "default"), server, kubeconfig);
    }

    private static string? AbsoluteVariable(InvokingUser user) =>
        user.Environment.TryGetValue("KUBECONFIG", out string? variable) && variable.Length > 0
            ? string.Join(Path.PathSeparator, variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(Path.GetFullPath))
            : null;

    /// <summary>Starts a program, with a sentence when the system refuses.</summary>
    internal static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            throw new UserError(ExitCode.KubectlMissing, $"{start.FileName} could not be started: {fault.Message}.", fault);
        }
    }
}
