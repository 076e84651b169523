using System.Text.Json;
using System.Text.RegularExpressions;

namespace Telepresence.Cli.Cluster;

/// <summary>Finds the sentence and the exit code for a request that failed.</summary>
internal static partial class KubeFailure
{
    // kubectl proxy answers for itself, in plain text, when it cannot reach the API server.
    private static readonly (string Part, int ExitCode)[] GatewayTexts =
    [
        ("getting credentials", ExitCode.CredentialPlugin),
        ("exec plugin", ExitCode.CredentialPlugin),
        ("oauth2", ExitCode.CredentialPlugin),
        ("x509", ExitCode.ApiUnreachable),
        ("tls:", ExitCode.ApiUnreachable),
        ("no such host", ExitCode.ApiUnreachable),
        ("dial tcp", ExitCode.ApiUnreachable),
        ("connection refused", ExitCode.ApiUnreachable),
        ("connection reset", ExitCode.ApiUnreachable),
        ("no route to host", ExitCode.ApiUnreachable),
        ("network is unreachable", ExitCode.ApiUnreachable),
        ("proxyconnect", ExitCode.ApiUnreachable),
        ("EOF", ExitCode.ApiUnreachable),
        ("i/o timeout", ExitCode.ApiTimeout),
        ("handshake timeout", ExitCode.ApiTimeout),
        ("deadline exceeded", ExitCode.ApiTimeout),
    ];

    /// <summary>An answer that is not a success.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="status">HTTP status.</param>
    /// <param name="body">The answer's body: a Kubernetes Status as JSON, or text.</param>
    /// <param name="server">URL of the API server.</param>
    internal static KubeException FromAnswer(KubeRequest request, int status, string body, string server)
    {
        KubeStatus? said = ParseStatus(body);
        string message = Trim(said?.Message ?? body);
        return new KubeException(status, said?.Reason ?? "", message, Explain(request, status, said, message, server));
    }

    /// <summary>No answer at all from <c>kubectl proxy</c>.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="fault">What went wrong.</param>
    /// <param name="proxyError">What kubectl wrote to standard error.</param>
    internal static KubeException NoAnswer(KubeRequest request, Exception fault, string proxyError)
    {
        string cause = Trim(proxyError) is { Length: > 0 } text ? text : Trim(fault.Message);
        return new KubeException(0, "", cause, new UserError(ExitCode.ApiUnreachable, $"kubectl proxy, the way to the API server, ended while telepresence was to {request.Verb} {request.Resource}: {cause}.", fault));
    }

    /// <summary>No answer in time.</summary>
    internal static KubeException Timeout(KubeRequest request, TimeSpan limit, string server)
    {
        string message = $"no answer within {limit.TotalSeconds:0} seconds";
        return new KubeException(0, "", message, new UserError(ExitCode.ApiTimeout, $"The API server {server} did not answer within {limit.TotalSeconds:0} seconds ({request.Verb} {request.Resource}); check the network or VPN to it."));
    }

    private static UserError Explain(KubeRequest request, int status, KubeStatus? said, string message, string server)
    {
        string where = request.Namespace is null ? "in the whole cluster" : $"in namespace {request.Namespace}";
        switch (status)
        {
            case 401:
                return new UserError(ExitCode.Unauthorized, $"The API server {server} does not accept your credentials (401, {request.Verb} {request.Resource}); log in again until kubectl get pods works.");
            case 403 when message.Contains("exceeded quota", StringComparison.Ordinal):
                return new UserError(ExitCode.Quota, $"A quota leaves no room for the proxy pod {where}: {message}.");
            case 403 when message.Contains("because it is being terminated", StringComparison.Ordinal):
                return new UserError(ExitCode.NamespaceMissing, $"Namespace {request.Namespace} is being deleted; choose another with --namespace.");
            case 403 when !message.Contains("cannot ", StringComparison.Ordinal) && message.Length > 0 && request.Verb == "create" && request.Resource != "pods/portforward":
                return new UserError(ExitCode.PodRefused, $"An admission rule of the cluster refuses to {request.Verb} {request.Resource} {where}: {message}.");
            case 403:
                // The server knows best which verb it missed: port-forwards need get, create or both, as its version has it.
                Match missing = MissingVerb().Match(message);
                string verb = missing.Success ? missing.Groups[1].Value : request.Verb;
                return new UserError(ExitCode.Forbidden, $"You may not {verb} {request.Resource} {where} (403); ask for a Role with verb \"{verb}\" on \"{request.Resource}\", or choose another namespace with --namespace.");
            case 404 when said?.Details?.Kind == "namespaces" || message.StartsWith("namespaces \"", StringComparison.Ordinal):
                return new UserError(ExitCode.NamespaceMissing, $"There is no namespace {request.Namespace}; kubectl get namespaces lists those that exist, --namespace chooses one.");
            case 429 or 503 or 504 when said is not null:
                return new UserError(ExitCode.ApiTimeout, $"The API server {server} is overloaded or not ready ({status}: {message}); try again in a moment.");
        }

        if (said is null)
        {
            foreach ((string part, int exitCode) in GatewayTexts)
            {
                if (!message.Contains(part, StringComparison.OrdinalIgnoreCase))
                    continue;
                return exitCode == ExitCode.CredentialPlugin
                    ? new UserError(exitCode, $"The kubeconfig's credential plugin failed: {message}; check that kubectl get pods works in this terminal.")
                    : new UserError(exitCode, $"The API server {server} cannot be reached: {message}; check the address in the kubeconfig, and the network or VPN to it.");
            }

            return new UserError(ExitCode.ApiError, $"{server} does not answer like a Kubernetes API server (HTTP {status}: {message}); check the address in the kubeconfig.");
        }

        return new UserError(ExitCode.ApiError, $"The API server refused to {request.Verb} {request.Resource} {where} ({status}): {message}.");
    }

    [GeneratedRegex("cannot ([a-z]+) resource ")]
    private static partial Regex MissingVerb();

    private static KubeStatus? ParseStatus(string body)
    {
        if (!body.AsSpan().TrimStart().StartsWith("{"))
            return null;
        try
        {
            return JsonSerializer.Deserialize(body, KubeJson.Default.KubeStatus) is { Status: not null } status ? status : null;
        }
        catch (JsonException)
        {
            // Not from an API server; the text itself is shown.
            return null;
        }
    }

    // One line, bounded: an HTML page from a proxy in between must not fill the terminal.
    private static string Trim(string text)
    {
        const int longest = 400;
        string line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');
        return line.Length <= longest ? line : line[..longest] + "…";
    }
}
