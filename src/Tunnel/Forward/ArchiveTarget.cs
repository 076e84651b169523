using System.Security.Cryptography;
using System.Text;

namespace Telepresence.Tunnel.Forward;

/// <summary>What a stream of kind <see cref="Mux.StreamKind.Archive"/> asks for: a path, and what the asker has of it already.</summary>
/// <remarks>
/// <para>Target: one byte, 1 when the archive may be of a path that changes while it is read, as long as no file of it does while that one
/// is read, and 0 when it may not; 32 bytes, the fingerprint of what the asker has (zero when that is nothing); then the absolute path in
/// UTF-8.</para>
/// <para>Answer's info: one byte, 0 when the asker has what is there, 1 when a tar archive (POSIX.1-2001, pax) follows as the stream's
/// bytes; then 32 bytes, the fingerprint of what is there. An archive that is not whole ends with a reset instead of an end.</para>
/// <para>Names in the archive are relative to the path. When the path is a file itself, the archive holds it alone, as <c>.</c>.</para>
/// </remarks>
/// <param name="Path">Absolute.</param>
/// <param name="Fingerprint">Of what the asker has, or empty.</param>
/// <param name="Unquiet">Whether files may be of different moments.</param>
internal sealed record ArchiveTarget(string Path, byte[] Fingerprint, bool Unquiet = false)
{
    /// <summary>Length of a fingerprint, bytes.</summary>
    internal const int FingerprintLength = SHA256.HashSizeInBytes;

    private const int HeaderLength = 1 + FingerprintLength;

    /// <summary>Name of the entry for a path that is a file itself.</summary>
    internal const string SelfName = ".";

    /// <summary>How many bytes of files one archive holds at most; a volume with more is no matter of copies.</summary>
    internal const long MaxContent = 64L << 20;

    /// <summary>How many files, directories and links one archive holds at most.</summary>
    internal const int MaxEntries = 10_000;

    /// <summary>The encoded form.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[HeaderLength + Encoding.UTF8.GetByteCount(Path)];
        bytes[0] = Unquiet ? (byte)1 : (byte)0;
        Fingerprint.CopyTo(bytes, 1);
        Encoding.UTF8.GetBytes(Path, bytes.AsSpan(HeaderLength));
        return bytes;
    }

    /// <summary>Reads what a peer sent.</summary>
    /// <returns>Null when it is malformed.</returns>
    internal static ArchiveTarget? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length <= HeaderLength || bytes[0] > 1 || bytes[HeaderLength] != '/' || bytes[HeaderLength..].Contains((byte)0))
            return null;
        return new ArchiveTarget(Encoding.UTF8.GetString(bytes[HeaderLength..]), bytes[1..HeaderLength].ToArray(), bytes[0] == 1);
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

    /// <summary>
    /// A link that leaves the path and comes back into it by the path's own name (<c>/data/current</c> to <c>/data/releases/42</c>), written
    /// so that it stays; any other link as it is.
    /// </summary>
    /// <param name="path">The path that is archived, absolute.</param>
    /// <param name="name">The link's own name, relative to the path.</param>
    /// <param name="target">Where it leads.</param>
    internal static string KeepInside(string path, string name, string target)
    {
        if (target.Length == 0 || LinkStays(name, target))
            return target;
        List<string> place = target[0] == '/' ? [] : [.. Parts($"{path}/{name}")[..^1]];
        bool named = false;
        foreach (string part in Parts(target))
        {
            // Behind a name, which could be a link itself, nobody but the file system knows where it leads.
            if (part == ".." && (named || target[0] == '/' || place.Count == 0))
                return target;
            if (part == "..")
                place.RemoveAt(place.Count - 1);
            else
                place.Add(part);
            named |= part != "..";
        }

        string[] root = Parts(path);
        if (place.Count <= root.Length || !place.Take(root.Length).SequenceEqual(root))
            return target;
        return string.Join('/', Enumerable.Repeat("..", name.AsSpan().Count('/')).Concat(place.Skip(root.Length)));
    }

    private static string[] Parts(string path) => [.. path.Split('/').Where(static part => part is not ("" or "."))];

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
