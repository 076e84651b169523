using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Node;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>What the node may read.</summary>
internal sealed class ClusterLookup(ObjectStore store, TokenIssuer tokens, Faults faults, string caPem, string nodeName) : IClusterLookup
{
    public string CaCertificatePem => caPem;

    public JsonObject? Get(string resource, string namespaceName, string name) =>
        ResourceTypes.Stored(resource) is { } type ? store.Get(type, type.Namespaced ? namespaceName : "", name) : null;

    public IReadOnlyList<JsonObject> List(string resource, string namespaceName) =>
        ResourceTypes.Stored(resource) is { } type ? store.List(type, type.Namespaced ? namespaceName : "") : [];

    public string RequestToken(PodKey pod, string serviceAccount, string? audience, TimeSpan lifetime)
    {
        try
        {
            return tokens.Issue(pod.Namespace, serviceAccount, audience is null ? [] : [audience], lifetime, (pod.Name, pod.Uid), nodeName).Token;
        }
        catch (ApiException e)
        {
            throw new NodeException(e.Message, e);
        }
    }

    public ImageFault? ImageFaultFor(string image) => faults.ForImage(image);
}
