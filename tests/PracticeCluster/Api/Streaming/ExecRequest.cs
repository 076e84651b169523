using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>What exec or attach asks for.</summary>
internal sealed record ExecRequest(PodKey Pod, string Container, IReadOnlyList<string> Command, bool Stdin, bool Stdout, bool Stderr, bool Tty, bool Attach)
{
    public static ExecRequest Parse(PodKey pod, string container, IQueryCollection query, bool attach)
    {
        bool Flag(string name) => query[name].ToString() is "true" or "1";
        string[] command = [.. query["command"].OfType<string>()];
        if (!attach && command.Length == 0) throw ApiException.BadRequest("you must specify at least one command for the container");
        if (!Flag("stdin") && !Flag("stdout") && !Flag("stderr")) throw ApiException.BadRequest("you must specify at least 1 of stdin, stdout, stderr");
        var tty = Flag("tty");
        return new ExecRequest(pod, container, command, Flag("stdin"), Flag("stdout"), Flag("stderr") && !tty, tty, attach);
    }

    /// <summary>Runs it and returns what belongs on the error channel.</summary>
    public async Task<JsonObject> RunAsync(INode node, ProcessStreams streams, CancellationToken cancel)
    {
        try
        {
            var code = Attach
                ? await node.AttachAsync(Pod, Container, streams, cancel).ConfigureAwait(false)
                : await node.ExecAsync(Pod, Container, Command, streams, cancel).ConfigureAwait(false);
            return ExecStatus.Of(code);
        }
        catch (NodeException e)
        {
            return ExecStatus.Failure(e.Message);
        }
    }
}
