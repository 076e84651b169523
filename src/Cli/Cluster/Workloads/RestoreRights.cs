using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// The Role and RoleBinding with which a stand-in's pod may restore the original by itself: read and patch that one Deployment, read and
/// delete that one stand-in, nothing else.
/// </summary>
/// <remarks>
/// They belong to the stand-in, so the cluster's garbage collector takes them away with it. RBAC knows no rights to single fields: who may
/// patch a Deployment's annotations may patch all of it; so the Role names the one Deployment. Nobody grants what they have not got
/// themselves: a user without these rights cannot make such a Role, and the pod then does without.
/// </remarks>
internal sealed class RestoreRights(KubeClient client, string @namespace, string name)
{
    private const string Group = "rbac.authorization.k8s.io";

    /// <summary>Makes both.</summary>
    /// <param name="original">Name of the swapped Deployment.</param>
    /// <param name="standIn">The stand-in as the server has it.</param>
    /// <param name="serviceAccount">Service account of the stand-in's pod.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="KubeException">The user may not.</exception>
    internal async Task GrantAsync(string original, JsonObject standIn, string serviceAccount, CancellationToken cancellation)
    {
        string uid = (string)standIn["metadata"]!["uid"]!;
        JsonObject role = new()
        {
            ["apiVersion"] = $"{Group}/v1",
            ["kind"] = "Role",
            ["metadata"] = Metadata(uid),
            ["rules"] = new JsonArray(Rule(original, "get", "patch"), Rule(name, "get", "delete")),
        };
        JsonObject binding = new()
        {
            ["apiVersion"] = $"{Group}/v1",
            ["kind"] = "RoleBinding",
            ["metadata"] = Metadata(uid),
            ["roleRef"] = new JsonObject { ["apiGroup"] = Group, ["kind"] = "Role", ["name"] = name },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = serviceAccount, ["namespace"] = @namespace }),
        };
        await ClusterChange.LetFinishAsync(client.SendAsync(KubeRequest.CreateRole(@namespace), role, KubeJson.Default.JsonObject, CancellationToken.None), cancellation);
        await ClusterChange.LetFinishAsync(client.SendAsync(KubeRequest.CreateRoleBinding(@namespace), binding, KubeJson.Default.JsonObject, CancellationToken.None), cancellation);
    }

    /// <summary>Removes both, which the garbage collector would do a moment later; a missing right is therefore no fault.</summary>
    internal async Task RemoveAsync(CancellationToken cancellation)
    {
        foreach (KubeRequest request in (KubeRequest[])[KubeRequest.DeleteRoleBinding(@namespace, name), KubeRequest.DeleteRole(@namespace, name)])
        {
            try
            {
                await client.DeleteAsync(request, cancellation);
            }
            catch (KubeException fault) when (fault.IsForbidden)
            {
                // Then they were never made, or go with their owner.
            }
        }
    }

    private JsonObject Metadata(string ownerUid) => new()
    {
        ["name"] = name,
        ["namespace"] = @namespace,
        ["labels"] = StandIn.OwnLabels(),
        ["ownerReferences"] = new JsonArray(new JsonObject
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "Deployment",
            ["name"] = name,
            ["uid"] = ownerUid,
        }),
    };

    private static JsonObject Rule(string deployment, params ReadOnlySpan<string> verbs)
    {
        JsonArray list = [];
        foreach (string verb in verbs)
            list.Add((JsonNode)verb);
        return new JsonObject
        {
            ["apiGroups"] = new JsonArray("apps"),
            ["resources"] = new JsonArray("deployments"),
            ["resourceNames"] = new JsonArray(deployment),
            ["verbs"] = list,
        };
    }
}
