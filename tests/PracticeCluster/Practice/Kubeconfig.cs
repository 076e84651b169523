using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>A kubeconfig (JSON is YAML) with one context for the administrator and one for each further user.</summary>
internal static class Kubeconfig
{
    public static string Make(string context, IPEndPoint server, string caPem, IReadOnlyList<StaticUser> users)
    {
        string ContextOf(StaticUser user, int i) => i == 0 ? context : $"{context}-{user.Name}";
        var cluster = new JsonObject
        {
            ["server"] = $"https://{server}",
            ["certificate-authority-data"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(caPem)),
        };
        var config = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Config",
            ["clusters"] = new JsonArray(new JsonObject { ["name"] = context, ["cluster"] = cluster }),
            ["users"] = Json.ArrayOf(users.Select((u, i) => new JsonObject { ["name"] = ContextOf(u, i), ["user"] = new JsonObject { ["token"] = u.Token } })),
            ["contexts"] = Json.ArrayOf(users.Select((u, i) => new JsonObject
            {
                ["name"] = ContextOf(u, i),
                ["context"] = new JsonObject { ["cluster"] = context, ["user"] = ContextOf(u, i), ["namespace"] = "default" },
            })),
            ["current-context"] = context,
        };
        return config.ToJsonString(new System.Text.Json.JsonSerializerOptions(Json.Plain) { WriteIndented = true }) + "\n";
    }
}
