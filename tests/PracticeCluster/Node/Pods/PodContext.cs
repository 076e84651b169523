using System.Net;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>What the parts of the node share.</summary>
internal sealed record NodeServices(
    NodeOptions Options,
    HeldNamespaces Namespaces,
    ImageStore Images,
    IClusterLookup Lookup,
    INodeListener Listener,
    PodAddressPool Addresses,
    string Root,
    TimeSpan FirstBackOff,
    TimeSpan LongestBackOff)
{
    internal string BecomePath => Root + "/become.pl";

    internal string DevicesDirectory => Root + "/dev";

    internal BackOff NewBackOff(bool firstIsFree) => new(FirstBackOff, LongestBackOff, firstIsFree);
}

/// <summary>What the containers of one pod share.</summary>
/// <param name="directory">The pod's own, in the node's mount namespace.</param>
internal sealed class PodContext(NodeServices node, JsonObject pod, string directory, Action changed)
{
    private volatile JsonObject _pod = pod;

    internal NodeServices Node => node;

    internal PodKey Key { get; } = PodKey.Of(pod);

    internal string Directory => directory;

    /// <summary>The object as it is now.</summary>
    internal JsonObject Pod
    {
        get => _pod;
        set => _pod = value;
    }

    internal IReadOnlyList<IPAddress> Addresses { get; set; } = [];

    internal PodSandbox? Sandbox { get; set; }

    internal PodFields Fields => new(Pod, Addresses, [NodeAddresses.Node4, NodeAddresses.Node6], node.Options.NodeName);

    /// <summary>Completes when something that a waiting container may need has changed.</summary>
    internal Pulse SourcesChanged { get; } = new();

    internal string Visible(string path) => node.Namespaces.Visible(path);

    /// <summary>A container's state is another.</summary>
    internal void Changed() => changed();

    internal void Event(string? container, string type, string reason, string message) =>
        node.Listener.PodEvent(Key, container, type, reason, message);
}
