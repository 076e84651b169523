using System.Text.Json;
using System.Text.Json.Serialization;

using Telepresence.Cli.Launch;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>What a message between front end and daemons, or between the daemons, is.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MessageKind>))]
internal enum MessageKind
{
    /// <summary>Connect (front end → root daemon → user daemon).</summary>
    Connect,

    /// <summary>Give up connecting (front end → root daemon).</summary>
    Cancel,

    /// <summary>End the connection and the daemons (front end → either daemon, user daemon → root daemon).</summary>
    Quit,

    /// <summary>Say what is going on.</summary>
    Status,

    /// <summary>What is waited for; <see cref="Message.Text"/> is for the user.</summary>
    Progress,

    /// <summary>Connected; <see cref="Message.Text"/> says to what.</summary>
    Connected,

    /// <summary>The daemon is just ending; start another (root daemon → front end).</summary>
    Closing,

    /// <summary>The same target is connected already.</summary>
    AlreadyConnected,

    /// <summary>The connection has ended; <see cref="Message.Text"/> holds what could not be undone, or nothing.</summary>
    Disconnected,

    /// <summary>It did not work; <see cref="Message.Code"/> and <see cref="Message.Text"/> are for the user.</summary>
    Failed,

    /// <summary>Make TUN, routes and resolver (user daemon → root daemon).</summary>
    Configure,

    /// <summary>Change routes (user daemon → root daemon).</summary>
    Update,

    /// <summary>The answer to both; descriptors come with it.</summary>
    Configured,

    /// <summary>The machine has other name servers or routes than before (root daemon → user daemon).</summary>
    Changed,

    /// <summary>Undo and end (root daemon → user daemon; session → holder of a namespace).</summary>
    Stop,

    /// <summary>Describe the session (front end → session process).</summary>
    Describe,

    /// <summary>Say how a program is run in the session (front end → session process).</summary>
    Enter,

    /// <summary>The namespaces are there (holder → session).</summary>
    Ready,

    /// <summary>Start a command; <see cref="Message.Text"/> is the caller's name for it, what is to be started is in the descriptor (session → holder).</summary>
    Launch,

    /// <summary>A command has ended; <see cref="Message.Text"/> says which, <see cref="Message.Code"/> how (holder → session).</summary>
    Exited,

    /// <summary>Send signal <see cref="Message.Code"/> to the command that <see cref="Message.Text"/> names (session → holder); it, process <see cref="Message.Code"/>, has been stopped (holder → session).</summary>
    Signal,

    /// <summary>For the volumes (both ways); <see cref="Message.Text"/> and the descriptors are between them.</summary>
    Volumes,
}

/// <summary>One message; which parts it has depends on its kind.</summary>
internal sealed record Message
{
    public required MessageKind Kind { get; init; }

    /// <summary>Number of a question, for its answer.</summary>
    public int? Id { get; init; }

    /// <summary>Number of the question that this answers.</summary>
    public int? ReplyTo { get; init; }

    public string? Text { get; init; }

    public int? Code { get; init; }

    public ConnectRequest? Connect { get; init; }

    public NetworkSpec? Network { get; init; }

    public NetworkReport? Report { get; init; }

    public StatusReport? Status { get; init; }

    public SessionDescription? Session { get; init; }

    public SessionEntry? Entry { get; init; }

    /// <summary>Descriptors that travel with it between the daemons.</summary>
    [JsonIgnore]
    public IReadOnlyList<FileDescriptor> Descriptors { get; init; } = [];

    /// <summary>A failure as a message.</summary>
    internal static Message Failure(UserError error) => new() { Kind = MessageKind.Failed, Code = error.ExitCode, Text = error.Message };

    /// <summary>The failure that this message reports.</summary>
    internal UserError ToError() => new(Code ?? ExitCode.Internal, Text ?? "a daemon failed without saying why");
}

/// <summary>What the user daemon asks the machine to carry into the tunnel; networks in CIDR form.</summary>
internal sealed record NetworkSpec
{
    /// <summary>The cluster's networks.</summary>
    public IReadOnlyList<string> Found { get; init; } = [];

    /// <summary>What the user asked for, and addresses of names that only the cluster knows.</summary>
    public IReadOnlyList<string> AlsoProxy { get; init; } = [];

    /// <summary>What stays outside.</summary>
    public IReadOnlyList<string> NeverProxy { get; init; } = [];

    /// <summary>Everything but the exceptions.</summary>
    public bool Everything { get; init; }

    /// <summary>The cluster's domain.</summary>
    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>The pod's search list.</summary>
    public IReadOnlyList<string> Search { get; init; } = [];

    /// <summary>Further suffixes that the cluster is asked for.</summary>
    public IReadOnlyList<string> Suffixes { get; init; } = [];
}

/// <summary>What became of a <see cref="NetworkSpec"/>.</summary>
internal sealed record NetworkReport
{
    public string Interface { get; init; } = "";

    public int Mtu { get; init; }

    /// <summary>Our addresses on the TUN; DNS is served there.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    public IReadOnlyList<string> Routes { get; init; } = [];

    public IReadOnlyList<string> Exceptions { get; init; } = [];

    /// <summary>A sentence for each network that was left out.</summary>
    public IReadOnlyList<string> Skipped { get; init; } = [];

    /// <summary>How many of the descriptors behind the TUN are UDP sockets; the rest are TCP.</summary>
    public int DnsUdpCount { get; init; }

    /// <summary>The machine's own name servers, as <c>address:port</c>.</summary>
    public IReadOnlyList<string> LocalServers { get; init; } = [];

    /// <summary>The machine's own search suffixes.</summary>
    public IReadOnlyList<string> LocalSearch { get; init; } = [];

    /// <summary>How the machine was told about the resolver.</summary>
    public string? DnsMethod { get; init; }
}

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Message))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class MessageJson : JsonSerializerContext
{
    /// <summary>A message as one line without its end.</summary>
    internal static byte[] Encode(Message message) => JsonSerializer.SerializeToUtf8Bytes(message, Default.Message);

    /// <summary>Reads <see cref="Encode"/>'s output.</summary>
    /// <exception cref="IOException">It is something else.</exception>
    internal static Message Decode(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, Default.Message) ?? throw new IOException("an empty message");
        }
        catch (JsonException fault)
        {
            throw new IOException($"a message that makes no sense: {fault.Message}", fault);
        }
    }
}
