namespace Telepresence.Cli.Cluster;

/// <summary>Turns what kubectl printed when it failed into one sentence.</summary>
internal static class KubectlFailure
{
    /// <summary>Explains a failure.</summary>
    /// <param name="error">What it wrote to standard error.</param>
    /// <param name="source">The kubeconfig, in words.</param>
    /// <param name="context">The context asked for, or null for the current one.</param>
    internal static UserError Explain(string error, string source, string? context)
    {
        string line = LastMeaningful(error);
        if (Has(error, "cannot locate context") || (Has(error, "context") && Has(error, "does not exist")))
            return new UserError(ExitCode.ContextUnknown, $"The kubeconfig ({source}) has no context {context ?? "of that name"}; kubectl config get-contexts lists those it has.");
        if (Has(error, "current-context must exist"))
            return new UserError(ExitCode.Kubeconfig, $"No kubeconfig with a current context was found ({source}); give one with --kubeconfig or KUBECONFIG, or choose a context with --context.");
        if (Has(error, "permission denied"))
            return new UserError(ExitCode.Kubeconfig, $"The kubeconfig ({source}) cannot be read: {line}.");
        if (Has(error, "exec plugin") || Has(error, "getting credentials") || (Has(error, "executable") && Has(error, "not found")))
            return new UserError(ExitCode.CredentialPlugin, $"The kubeconfig's credential plugin failed: {line}; check that kubectl get pods works in this terminal.");
        if (Has(error, "error loading config file") || Has(error, "yaml:") || Has(error, "json:") || Has(error, "couldn't get version/kind"))
            return new UserError(ExitCode.Kubeconfig, $"The kubeconfig ({source}) is not valid: {line}.");
        return new UserError(ExitCode.Kubeconfig, $"kubectl failed: {(line.Length > 0 ? line : "it printed nothing")}; check that kubectl get pods works in this terminal.");
    }

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);

    private static string LastMeaningful(string error)
    {
        string line = error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault() ?? "";
        foreach (string prefix in (ReadOnlySpan<string>)["error: ", "Error: ", "Unable to connect to the server: "])
        {
            if (line.StartsWith(prefix, StringComparison.Ordinal))
                line = line[prefix.Length..];
        }

        return line.TrimEnd('.');
    }
}
