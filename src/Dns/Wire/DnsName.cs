using System.Buffers.Binary;
using System.Text;

namespace Telepresence.Dns.Wire;

/// <summary>
/// Names in wire form (RFC 1035 §3.1, §4.1.4): labels with their lengths, ended by a zero byte, at most 255 bytes; in a message the tail
/// may be a pointer to an earlier place. Pointers are followed only backwards, each further back than the one before, so that no
/// message can make the walk loop.
/// </summary>
public static class DnsName
{
    /// <summary>Longest name in wire form, in bytes, the ending zero included (RFC 1035 §2.3.4).</summary>
    public const int MaxLength = 255;

    private const int MaxLabel = 63;
    private const byte PointerBits = 0xC0;

    /// <summary>Length in bytes of the uncompressed name at <paramref name="offset"/>, or 0 if there is none that is valid.</summary>
    public static int UncompressedLength(ReadOnlySpan<byte> message, int offset)
    {
        var at = offset;
        while ((uint)at < (uint)message.Length)
        {
            int label = message[at];
            if (label > MaxLabel) return 0;
            at += label + 1;
            if (at - offset > MaxLength) return 0;
            if (label == 0) return at - offset;
        }
        return 0;
    }

    /// <summary>Finds the byte after the name at <paramref name="offset"/> without following its pointer.</summary>
    /// <returns>The offset of that byte, or -1 if the name leaves the message or has a reserved label type.</returns>
    public static int Skip(ReadOnlySpan<byte> message, int offset)
    {
        var at = offset;
        while ((uint)at < (uint)message.Length)
        {
            int label = message[at];
            if (label == 0) return at + 1;
            if ((label & PointerBits) == PointerBits) return at + 2 <= message.Length ? at + 2 : -1;
            if (label > MaxLabel) return -1;
            at += label + 1;
            if (at - offset > MaxLength) return -1;
        }
        return -1;
    }

    /// <summary>Writes the name at <paramref name="offset"/> uncompressed, case kept.</summary>
    /// <param name="message">The whole message.</param>
    /// <param name="offset">Where the name begins.</param>
    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    /// <returns>The length written, or 0 if the name is malformed, too long or its pointers do not go strictly backwards.</returns>
    public static int Expand(ReadOnlySpan<byte> message, int offset, Span<byte> destination)
    {
        var at = offset;
        var lowest = offset;
        var written = 0;
        while ((uint)at < (uint)message.Length)
        {
            int label = message[at];
            if ((label & PointerBits) == PointerBits)
            {
                if (at + 2 > message.Length) return 0;
                var target = BinaryPrimitives.ReadUInt16BigEndian(message[at..]) & 0x3FFF;
                if (target >= lowest) return 0;
                lowest = at = target;
                continue;
            }
            if (label > MaxLabel || at + label + 1 > message.Length || written + label + 1 > MaxLength) return 0;
            message.Slice(at, label + 1).CopyTo(destination[written..]);
            written += label + 1;
            at += label + 1;
            if (label == 0) return written;
        }
        return 0;
    }

    /// <summary>Whether two uncompressed names are the same, ASCII case ignored (RFC 4343).</summary>
    public static bool Same(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        // Length bytes are at most 63 and so below 'A' (65): folding them together with the letters changes nothing.
        if (a.Length != b.Length) return false;
        for (var i = 0; i < a.Length; i++)
            if (Fold(a[i]) != Fold(b[i]))
                return false;
        return true;
    }

    /// <summary>Copies an uncompressed name with ASCII letters in lower case.</summary>
    public static void CopyLower(ReadOnlySpan<byte> name, Span<byte> destination)
    {
        for (var i = 0; i < name.Length; i++) destination[i] = Fold(name[i]);
    }

    /// <summary>Number of labels of an uncompressed name, the root not counted.</summary>
    public static int CountLabels(ReadOnlySpan<byte> name)
    {
        var labels = 0;
        for (var at = 0; name[at] != 0; at += name[at] + 1) labels++;
        return labels;
    }

    /// <summary>
    /// Whether <paramref name="name"/> is <paramref name="suffix"/> or lies below it; both uncompressed and in lower case.
    /// </summary>
    /// <param name="name">The longer name.</param>
    /// <param name="suffix">The zone.</param>
    /// <param name="prefixLength">Bytes of the labels in front of the suffix; 0 if the names are equal.</param>
    public static bool IsAtOrBelow(ReadOnlySpan<byte> name, ReadOnlySpan<byte> suffix, out int prefixLength)
    {
        prefixLength = name.Length - suffix.Length;
        if (prefixLength < 0 || !name[prefixLength..].SequenceEqual(suffix)) return false;
        var at = 0;
        while (at < prefixLength) at += name[at] + 1;
        return at == prefixLength;
    }

    /// <summary>Turns text ("Svc.cluster.local", trailing dot or not) into a lower-case wire name.</summary>
    /// <exception cref="FormatException">A label is empty or longer than 63 bytes, or the name is longer than 255.</exception>
    public static byte[] Parse(string text) =>
        TryParse(text, out var name) ? name : throw new FormatException($"'{text}' is not a valid DNS name.");

    /// <summary>As <see cref="Parse"/>, without the exception.</summary>
    public static bool TryParse(string text, out byte[] name)
    {
        name = [];
        var trimmed = text.EndsWith('.') ? text[..^1] : text;
        var wire = new List<byte>(trimmed.Length + 2);
        if (trimmed.Length > 0)
        {
            foreach (var label in trimmed.Split('.'))
            {
                var bytes = Encoding.UTF8.GetBytes(label);
                if (bytes.Length is 0 or > MaxLabel) return false;
                wire.Add((byte)bytes.Length);
                foreach (var b in bytes) wire.Add(Fold(b));
            }
        }
        wire.Add(0);
        if (wire.Count > MaxLength) return false;
        name = [.. wire];
        return true;
    }

    /// <summary>Text of an uncompressed name for logs and errors; bytes that do not print are written \DDD (RFC 1035 §5.1).</summary>
    public static string ToText(ReadOnlySpan<byte> name)
    {
        if (name.Length <= 1) return ".";
        var text = new StringBuilder(name.Length);
        for (var at = 0; at < name.Length && name[at] != 0; at += name[at] + 1)
        {
            if (at > 0) text.Append('.');
            foreach (var b in name.Slice(at + 1, name[at]))
            {
                if (b is (byte)'.' or (byte)'\\') text.Append('\\').Append((char)b);
                else if (b is > 32 and < 127) text.Append((char)b);
                else text.Append('\\').Append(b.ToString("D3", System.Globalization.CultureInfo.InvariantCulture));
            }
        }
        return text.ToString();
    }

    private static byte Fold(byte b) => b is >= (byte)'A' and <= (byte)'Z' ? (byte)(b | 0x20) : b;
}
