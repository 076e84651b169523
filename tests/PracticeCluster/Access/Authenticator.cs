using System.Security.Cryptography;
using System.Text;

namespace Telepresence.PracticeCluster.Access;

/// <summary>Bearer tokens of the static users, then ServiceAccount tokens.</summary>
internal sealed class Authenticator(IReadOnlyList<StaticUser> users, TokenIssuer tokens)
{
    /// <summary>The user of an Authorization header; anonymous without one; null when it proves nothing (401).</summary>
    public User? Authenticate(string? authorization)
    {
        if (string.IsNullOrEmpty(authorization)) return User.Anonymous;
        if (!authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return null;
        return ByToken(authorization["Bearer ".Length..].Trim());
    }

    public User? ByToken(string token)
    {
        var bytes = Encoding.UTF8.GetBytes(token);
        foreach (var user in users)
        {
            if (CryptographicOperations.FixedTimeEquals(bytes, Encoding.UTF8.GetBytes(user.Token)))
                return new User(user.Name, user.Uid, [.. user.Groups, "system:authenticated"]);
        }
        return tokens.Verify(token);
    }
}
