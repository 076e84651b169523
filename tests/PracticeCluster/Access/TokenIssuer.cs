using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Access;

/// <summary>Signs and checks ServiceAccount tokens: JWTs (RFC 7519) with RS256, bound to their ServiceAccount and pod.</summary>
internal sealed class TokenIssuer(ObjectStore store, RSA key)
{
    public const string Issuer = "https://kubernetes.default.svc.cluster.local";

    private readonly string _keyId = Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    /// <exception cref="ApiException">404 when the ServiceAccount is not there.</exception>
    public (string Token, DateTime Expires) Issue(
        string namespaceName, string account, IReadOnlyList<string> audiences, TimeSpan lifetime, (string Name, string Uid)? pod, string? node)
    {
        var owner = store.Get(ResourceTypes.ServiceAccounts, namespaceName, account)
            ?? throw ApiException.NotFound(ResourceTypes.ServiceAccounts, account);
        var now = DateTimeOffset.UtcNow;
        var expires = now + lifetime;
        var about = new JsonObject
        {
            ["namespace"] = namespaceName,
            ["serviceaccount"] = new JsonObject { ["name"] = account, ["uid"] = owner.Uid() },
        };
        if (node is not null) about["node"] = new JsonObject { ["name"] = node };
        if (pod is var (podName, podUid)) about["pod"] = new JsonObject { ["name"] = podName, ["uid"] = podUid };
        var claims = new JsonObject
        {
            ["aud"] = Json.ArrayOf(audiences.Count > 0 ? audiences : [Issuer]),
            ["exp"] = expires.ToUnixTimeSeconds(),
            ["iat"] = now.ToUnixTimeSeconds(),
            ["iss"] = Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["kubernetes.io"] = about,
            ["nbf"] = now.ToUnixTimeSeconds(),
            ["sub"] = $"system:serviceaccount:{namespaceName}:{account}",
        };
        var header = new JsonObject { ["alg"] = "RS256", ["kid"] = _keyId };
        var signed = $"{Base64Url.EncodeToString(Json.Bytes(header))}.{Base64Url.EncodeToString(Json.Bytes(claims))}";
        var signature = key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return ($"{signed}.{Base64Url.EncodeToString(signature)}", expires.UtcDateTime);
    }

    /// <summary>The user whom a token proves, or null: forged, expired, or its ServiceAccount or pod is gone.</summary>
    public User? Verify(string token)
    {
        var parts = token.Split('.');
        if (parts.Length != 3) return null;
        JsonNode? claims;
        try
        {
            var signature = Base64Url.DecodeFromChars(parts[2]);
            if (!key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))
                return null;
            claims = JsonNode.Parse(Base64Url.DecodeFromChars(parts[1]));
        }
        catch (FormatException)
        {
            return null;
        }
        if (claims.Num("exp") is not { } exp || exp <= DateTimeOffset.UtcNow.ToUnixTimeSeconds()) return null;
        if (!claims.Strings("aud").Contains(Issuer)) return null;
        var about = claims.Obj("kubernetes.io");
        var namespaceName = about.Str("namespace") ?? "";
        var name = about.Str("serviceaccount", "name") ?? "";
        var account = store.Get(ResourceTypes.ServiceAccounts, namespaceName, name);
        if (account is null || account.Uid() != about.Str("serviceaccount", "uid")) return null;
        if (about.Obj("pod") is { } pod
            && store.Get(ResourceTypes.Pods, namespaceName, pod.Str("name") ?? "")?.Uid() != pod.Str("uid")) return null;
        return new User(string.Create(CultureInfo.InvariantCulture, $"system:serviceaccount:{namespaceName}:{name}"), account.Uid(),
            ["system:serviceaccounts", $"system:serviceaccounts:{namespaceName}", "system:authenticated"]);
    }
}
