using System.Net;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// The Role and RoleBinding with which a stand-in's pod may restore the original by itself: read that one Deployment, set its scale, read
/// and delete that one stand-in, nothing else.
/// </summary>
/// <remarks>
/// They belong to the stand-in, so the cluster's garbage collector takes them away with it. RBAC knows no rights to single fields: who may
/// patch a Deployment's annotations may put another image in it. So the pod, whose service account others use too, gets its scale alone,
/// and leaves the annotations behind. Nobody grants what they have not got
/// themselves: a user without these rights cannot make such a Role, and the pod then does without.
/// </remarks>
internal sealed class RestoreRights(KubeClient client, string @namespace, string name, string session)
{
    private const string Group = "rbac.authorization.k8s.io";

    /// <summary>Makes both; what an earlier stand-in of the session left of them is replaced.</summary>
    /// <param name="original">Name of the swapped Deployment.</param>
    /// <param name="standIn">The stand-in as the server has it.</param>
    /// <param name="serviceAccount">Service account of the stand-in's pod.</param>
    /// <exception cref="KubeException">The user may not.</exception>
    internal async Task GrantAsync(string original, JsonObject standIn, string serviceAccount)
    {
        string uid = (string)standIn["metadata"]!["uid"]!;
        JsonObject role = new()
        {
            ["apiVersion"] = $"{Group}/v1",
            ["kind"] = "Role",
            ["metadata"] = Metadata(uid),
            ["rules"] = new JsonArray(Rule("deployments", original, "get"), Rule("deployments/scale", original, "get", "patch"), Rule("deployments", name, "get", "delete")),
        };
        JsonObject binding = new()
        {
            ["apiVersion"] = $"{Group}/v1",
            ["kind"] = "RoleBinding",
            ["metadata"] = Metadata(uid),
            ["roleRef"] = new JsonObject { ["apiGroup"] = Group, ["kind"] = "Role", ["name"] = name },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "ServiceAccount", ["name"] = serviceAccount, ["namespace"] = @namespace }),
        };
        await CreateAsync(KubeRequest.CreateRole(@namespace), role, RemoveRoleAsync);
        await CreateAsync(KubeRequest.CreateRoleBinding(@namespace), binding, RemoveBindingAsync);
    }

    /// <summary>Removes both, which the garbage collector would do a moment later; a missing right is therefore no fault.</summary>
    internal async Task RemoveAsync(CancellationToken cancellation)
    {
        foreach (Func<CancellationToken, Task> removeAsync in (Func<CancellationToken, Task>[])[RemoveBindingAsync, RemoveRoleAsync])
        {
            try
            {
                await removeAsync(cancellation);
            }
            catch (KubeException fault) when (fault.IsForbidden)
            {
                // Then they were never made, or go with their owner.
            }
        }
    }

    private Task RemoveRoleAsync(CancellationToken cancellation) =>
        ClusterChange.DeleteOwnAsync(client, KubeRequest.GetRole(@namespace, name), KubeRequest.DeleteRole(@namespace, name), session, StandIn.Component, cancellation);

    private Task RemoveBindingAsync(CancellationToken cancellation) =>
        ClusterChange.DeleteOwnAsync(client, KubeRequest.GetRoleBinding(@namespace, name), KubeRequest.DeleteRoleBinding(@namespace, name), session, StandIn.Component, cancellation);

    private async Task CreateAsync(KubeRequest create, JsonObject item, Func<CancellationToken, Task> removeAsync)
    {
        try
        {
            await client.SendAsync(create, item, KubeJson.Default.JsonObject, CancellationToken.None);
        }
        catch (KubeException fault) when (fault.Status == (int)HttpStatusCode.Conflict)
        {
            await removeAsync(CancellationToken.None);
            await client.SendAsync(create, item, KubeJson.Default.JsonObject, CancellationToken.None);
        }
    }

    private JsonObject Metadata(string ownerUid) => new()
    {
        ["name"] = name,
        ["namespace"] = @namespace,
        ["labels"] = StandIn.OwnLabels(session),
        ["ownerReferences"] = new JsonArray(new JsonObject
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "Deployment",
            ["name"] = name,
            ["uid"] = ownerUid,
        }),
    };

    private static JsonObject Rule(string resource, string deployment, params ReadOnlySpan<string> verbs)
    {
        JsonArray list = [];
        foreach (string verb in verbs)
            list.Add((JsonNode)verb);
        return new JsonObject
        {
            ["apiGroups"] = new JsonArray("apps"),
            ["resources"] = new JsonArray(resource),
            ["resourceNames"] = new JsonArray(deployment),
            ["verbs"] = list,
        };
    }
}
