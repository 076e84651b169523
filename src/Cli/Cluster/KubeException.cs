using System.Net;

namespace Telepresence.Cli.Cluster;

/// <summary>The API server, or the way to it, refused a request.</summary>
/// <param name="status">HTTP status of its answer; 0 when there was none.</param>
/// <param name="reason">Kubernetes' word for it, such as <c>NotFound</c>, or empty.</param>
/// <param name="message">What it said.</param>
/// <param name="explanation">The same as a sentence for the user.</param>
internal sealed class KubeException(int status, string reason, string message, UserError explanation) : Exception(message, explanation)
{
    /// <summary>HTTP status; 0 when there was no answer.</summary>
    internal int Status { get; } = status;

    /// <summary>Kubernetes' reason, such as <c>AlreadyExists</c>.</summary>
    internal string Reason { get; } = reason;

    /// <summary>What to tell the user when nothing else can be done.</summary>
    internal UserError Explanation { get; } = explanation;

    /// <summary>Whether the user lacks the right.</summary>
    internal bool IsForbidden => Status == (int)HttpStatusCode.Forbidden;

    /// <summary>Whether it is certain that the request changed nothing: the server refused it, or was never reached.</summary>
    internal bool ChangedNothing => Status is >= 400 and < 500 || Message.Contains("dial tcp", StringComparison.Ordinal);

    /// <summary>Whether there is no such object, or the server has no such API.</summary>
    internal bool IsNotFound => Status == (int)HttpStatusCode.NotFound;
}
