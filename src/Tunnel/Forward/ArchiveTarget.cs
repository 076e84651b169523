using System.Security.Cryptography;
using System.Text;

namespace Telepresence.Tunnel.Forward;

/// <summary>What a stream of kind <see cref="Mux.StreamKind.Archive"/> asks for: a path, and what the asker has of it already.</summary>
/// <remarks>
/// <para>Target: 32 bytes, the fingerprint of what the asker has (zero when that is nothing), then the absolute path in UTF-8.</para>
/// <para>Answer's info: one byte, 0 when the asker has what is there, 1 when a tar archive (POSIX.1-2001, pax) follows as the stream's
/// bytes; then 32 bytes, the fingerprint of what is there. An archive that is not whole ends with a reset instead of an end.</para>
/// <para>Names in the archive are relative to the path. When the path is a file itself, the archive holds it alone, as <c>.</c>.</para>
/// </remarks>
/// <param name="Path">Absolute.</param>
/// <param name="Fingerprint">Of what the asker has, or empty.</param>
internal sealed record ArchiveTarget(string Path, byte[] Fingerprint)
{
    /// <summary>Length of a fingerprint, bytes.</summary>
    internal const int FingerprintLength = SHA256.HashSizeInBytes;

    /// <summary>Name of the entry for a path that is a file itself.</summary>
    internal const string SelfName = ".";

    /// <summary>How many bytes of files one archive holds at most; a volume with more is no matter of copies.</summary>
    internal const long MaxContent = 64L << 20;

    /// <summary>How many files, directories and links one archive holds at most.</summary>
    internal const int MaxEntries = 10_000;

    /// <summary>The encoded form.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[FingerprintLength + Encoding.UTF8.GetByteCount(Path)];
        Fingerprint.CopyTo(bytes, 0);
        Encoding.UTF8.GetBytes(Path, bytes.AsSpan(FingerprintLength));
        return bytes;
    }

    /// <summary>Reads what a peer sent.</summary>
    /// <returns>Null when it is malformed.</returns>
    internal static ArchiveTarget? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= FingerprintLength || bytes[FingerprintLength] != '/' || bytes[FingerprintLength..].Contains((byte)0))
            return null;
        return new ArchiveTarget(Encoding.UTF8.GetString(bytes[FingerprintLength..]), bytes[..FingerprintLength].ToArray());
    }

    /// <summary>
    /// Whether a link stays below the path that is archived wherever that is put: not absolute, no more <c>..</c> at its beginning than it
    /// has directories above it, and none behind a name, which could be a link itself. Others are archived as what they lead to if that is
    /// a file, and never unpacked as links: they would lead somewhere on the asker's machine.
    /// </summary>
    /// <param name="name">The link's own name, relative to the path.</param>
    /// <param name="target">Where it leads.</param>
    internal static bool LinkStays(string name, string target)
    {
        if (target.Length == 0 || target[0] == '/')
            return false;
        int above = name.AsSpan().Count('/');
        bool named = false;
        foreach (string part in target.Split('/'))
        {
            if (part == ".." && (named || --above < 0))
                return false;
            named |= part is not ("" or "." or "..");
        }

        return true;
    }

    /// <summary>The answer's info.</summary>
    internal static byte[] Answer(bool changed, byte[] fingerprint) => [changed ? (byte)1 : (byte)0, .. fingerprint];

    /// <summary>Reads the answer's info.</summary>
    /// <returns>False when it is malformed.</returns>
    internal static bool TryReadAnswer(ReadOnlySpan<byte> info, out bool changed, out byte[] fingerprint)
    {
        changed = false;
        fingerprint = [];
        if (info.Length != 1 + FingerprintLength || info[0] > 1)
            return false;
        changed = info[0] == 1;
        fingerprint = info[1..].ToArray();
        return true;
    }
}
