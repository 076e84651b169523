using System.Buffers.Binary;

namespace Telepresence.Tunnel.Forward;

/// <summary>The little that a relay looks at in a DNS message: its header, RFC 1035 §4.1.1. Messages are at least a header long.</summary>
internal static class DnsHeader
{
    private const int FlagsAt = 2, QuestionsAt = 4, RecordsAt = 6;
    private const ushort Response = 0x8000, Truncated = 0x0200, RecursionAvailable = 0x0080, RcodeMask = 0x000f;
    private const int ServFail = 2, NotImplemented = 4, Refused = 5;

    internal static ushort Id(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16BigEndian(message);

    internal static void SetId(Span<byte> message, ushort id) => BinaryPrimitives.WriteUInt16BigEndian(message, id);

    internal static bool IsResponse(ReadOnlySpan<byte> message) => (Flags(message) & Response) != 0;

    internal static bool IsTruncated(ReadOnlySpan<byte> message) => (Flags(message) & Truncated) != 0;

    /// <summary>Whether the server says that it could not or would not answer, so that another one might.</summary>
    internal static bool IsFailure(ReadOnlySpan<byte> message) => (Flags(message) & RcodeMask) is ServFail or NotImplemented or Refused;

    /// <summary>The answer to <paramref name="query"/> that says SERVFAIL: its header and, where it has exactly one, its question.</summary>
    internal static byte[] ServerFailure(ReadOnlySpan<byte> query)
    {
        int question = BinaryPrimitives.ReadUInt16BigEndian(query[QuestionsAt..]) == 1 ? QuestionLength(query[DnsRelay.HeaderLength..]) : 0;
        byte[] answer = query[..(DnsRelay.HeaderLength + question)].ToArray();
        ushort flags = (ushort)((Flags(query) & ~RcodeMask) | Response | RecursionAvailable | ServFail);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(FlagsAt), flags);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(QuestionsAt), (ushort)(question > 0 ? 1 : 0));
        answer.AsSpan(RecordsAt, 6).Clear();
        return answer;
    }

    private static ushort Flags(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16BigEndian(message[FlagsAt..]);

    // Labels up to the root, then type and class; 0 when that does not fit. A question is never compressed.
    private static int QuestionLength(ReadOnlySpan<byte> bytes)
    {
        const int typeAndClass = 4, longestLabel = 63;
        int at = 0;
        while (at < bytes.Length && bytes[at] is > 0 and <= longestLabel)
            at += 1 + bytes[at];
        return at < bytes.Length && bytes[at] == 0 && at + 1 + typeAndClass <= bytes.Length ? at + 1 + typeAndClass : 0;
    }
}
