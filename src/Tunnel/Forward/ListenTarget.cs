namespace Telepresence.Tunnel.Forward;

/// <summary>What a stream of kind <see cref="Mux.StreamKind.Listen"/> asks for: a protocol, and the address and port to bind.</summary>
/// <remarks>Encoding: one byte, the IP protocol number (6 TCP, 17 UDP), then a <see cref="TargetAddress"/> by address. The answer's info
/// is the bound <see cref="TargetAddress"/>, with the real port when 0 was asked for. <c>::</c> means every address of both families. Bytes
/// on the stream: a TCP port refuses its callers until <see cref="TakeCallers"/>, and again from <see cref="RefuseCallers"/> on.</remarks>
/// <param name="IsUdp">UDP instead of TCP.</param>
/// <param name="Address">Where to listen.</param>
public readonly record struct ListenTarget(bool IsUdp, TargetAddress Address)
{
    /// <summary>Sent by who asked for a TCP port: somebody serves it now.</summary>
    public const byte TakeCallers = 1;

    /// <summary>Sent by who asked for a TCP port: nobody does any more.</summary>
    public const byte RefuseCallers = 0;

    private const byte Tcp = 6, Udp = 17;

    /// <summary>The encoded form.</summary>
    public byte[] ToBytes() => [IsUdp ? Udp : Tcp, .. Address.ToBytes()];

    /// <summary>Reads what a peer sent.</summary>
    /// <returns>False when it is malformed.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out ListenTarget target)
    {
        target = default;
        if (bytes.IsEmpty || bytes[0] is not (Tcp or Udp) || !TargetAddress.TryDecode(bytes[1..], out TargetAddress address) || address.Name is not null)
            return false;
        target = new ListenTarget(bytes[0] == Udp, address);
        return true;
    }
}
