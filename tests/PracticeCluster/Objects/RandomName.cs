using System.Security.Cryptography;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>Suffixes as Kubernetes makes them: no vowels, so no words.</summary>
internal static class RandomName
{
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";

    public static string Suffix(int length = 5) => RandomNumberGenerator.GetString(Alphabet, length);

    /// <summary>A hash in the same alphabet (pod-template-hash).</summary>
    public static string OfHash(ReadOnlySpan<byte> hash)
    {
        Span<char> name = stackalloc char[10];
        for (var i = 0; i < name.Length; i++) name[i] = Alphabet[hash[i] % Alphabet.Length];
        return new string(name);
    }
}
