using System.Buffers.Binary;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// The target of a stream that a listener opens for somebody who called: which listener, and who called. It stands in streams of kind
/// <see cref="Mux.StreamKind.Accepted"/> (TCP) and, for a UDP listener, <see cref="Mux.StreamKind.Udp"/>.
/// </summary>
/// <remarks>Encoding: the byte 10, which no <see cref="TargetAddress"/> begins with; the number of the listener's stream, 4 bytes, big
/// endian; the caller's <see cref="TargetAddress"/>.</remarks>
/// <param name="ListenStreamId">Number of the stream that asked to listen.</param>
/// <param name="Caller">Address and port of the caller.</param>
public readonly record struct AcceptedTarget(uint ListenStreamId, TargetAddress Caller)
{
    private const byte Form = 10;
    private const int HeaderLength = 5;

    /// <summary>The encoded form.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = [Form, 0, 0, 0, 0, .. Caller.ToBytes()];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), ListenStreamId);
        return bytes;
    }

    /// <summary>Reads what a peer sent.</summary>
    /// <returns>False when it is malformed.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out AcceptedTarget target)
    {
        target = default;
        if (bytes.Length <= HeaderLength || bytes[0] != Form || !TargetAddress.TryDecode(bytes[HeaderLength..], out TargetAddress caller))
            return false;
        target = new AcceptedTarget(BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]), caller);
        return true;
    }
}
