using System.Buffers.Binary;

namespace Telepresence.Tunnel.Mux;

/// <summary>
/// The 12 bytes in front of every frame (SPEC.md, "Frames"), big-endian:
/// <code>
///  0        1        2                 4
/// | type   | detail | length          | sequence                          |
/// | stream                            |
/// </code>
/// </summary>
/// <param name="Type">What the frame is.</param>
/// <param name="Detail">OPEN: stream kind. REFUSE, RESET: code. DATA, DATAGRAM: <see cref="AcknowledgeNow"/> or 0. Others: 0.</param>
/// <param name="Length">Bytes of payload behind the header, at most 65,535.</param>
/// <param name="Sequence">Sequence number of a sequenced frame; the next expected one in an ACK; else 0.</param>
/// <param name="StreamId">The stream; 0 in link frames.</param>
internal readonly record struct FrameHeader(FrameType Type, byte Detail, int Length, uint Sequence, uint StreamId)
{
    internal const int Size = 12;

    /// <summary>Detail of a DATA or DATAGRAM that asks for an acknowledgement (as the I bit of RFC 7053).</summary>
    internal const byte AcknowledgeNow = 1;

    /// <summary>Longest target of an OPEN and longest info of an ACCEPT.</summary>
    internal const int MaxTarget = 1024;

    /// <summary>Longest text of a REFUSE or GOODBYE, in UTF-8 bytes.</summary>
    internal const int MaxReason = 512;

    /// <summary>Bytes of initial credit in front of an OPEN's target and an ACCEPT's info.</summary>
    internal const int CreditSize = 4;

    internal const int PingSize = 8;

    internal bool IsSequenced => (byte)Type >= 16;

    internal static FrameHeader Read(ReadOnlySpan<byte> bytes) => new(
        (FrameType)bytes[0],
        bytes[1],
        BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
        BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]));

    internal void Write(Span<byte> bytes)
    {
        bytes[0] = (byte)Type;
        bytes[1] = Detail;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], (ushort)Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Sequence);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[8..], StreamId);
    }

    /// <summary>Whether the type is known and the length and stream are possible for it; checked once, before anything else is.</summary>
    internal bool IsValid => Type switch
    {
        FrameType.Ack => Length == 0 && StreamId == 0,
        FrameType.Ping or FrameType.Pong => Length == PingSize && StreamId == 0,
        FrameType.Goodbye => Length <= MaxReason && StreamId == 0,
        FrameType.Open or FrameType.Accept => Length is >= CreditSize and <= CreditSize + MaxTarget && StreamId != 0,
        FrameType.Refuse => Length <= MaxReason && StreamId != 0,
        FrameType.Data => Length > 0 && StreamId != 0,
        FrameType.Datagram => StreamId != 0,
        FrameType.End or FrameType.Reset => Length == 0 && StreamId != 0,
        FrameType.Credit => Length == 8 && StreamId != 0,
        _ => false,
    };
}
