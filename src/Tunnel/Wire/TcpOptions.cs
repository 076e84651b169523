using System.Buffers.Binary;

namespace Telepresence.Tunnel.Wire;

/// <summary>
/// What the stack understands of a segment's options: maximum segment size (RFC 9293 §3.7.1), window scale
/// (RFC 7323 §2), SACK-permitted and SACK blocks (RFC 2018). Anything else is skipped; an option with an impossible
/// length ends the list.
/// </summary>
internal readonly ref struct TcpOptions
{
    public const int MaximumSackBlocks = 4;
    /// <summary>RFC 7323 §2.3: larger shifts mean 14.</summary>
    public const int MaximumWindowShift = 14;

    private const byte End = 0;
    private const byte NoOperation = 1;
    private const byte MaximumSegmentSizeKind = 2;
    private const byte WindowScaleKind = 3;
    private const byte SackPermittedKind = 4;
    private const byte SackKind = 5;

    private readonly ReadOnlySpan<byte> _sack;

    private TcpOptions(int mss, int shift, bool sackPermitted, ReadOnlySpan<byte> sack)
    {
        MaximumSegmentSize = mss;
        WindowShift = shift;
        SackPermitted = sackPermitted;
        _sack = sack;
    }

    /// <summary>0 when absent.</summary>
    public int MaximumSegmentSize { get; }
    /// <summary>-1 when absent.</summary>
    public int WindowShift { get; }
    public bool SackPermitted { get; }
    public int SackBlockCount => _sack.Length / 8;

    public (uint Left, uint Right) SackBlock(int index) =>
        (BinaryPrimitives.ReadUInt32BigEndian(_sack[(index * 8)..]), BinaryPrimitives.ReadUInt32BigEndian(_sack[(index * 8 + 4)..]));

    public static TcpOptions Parse(ReadOnlySpan<byte> options)
    {
        int mss = 0, shift = -1;
        var sackPermitted = false;
        ReadOnlySpan<byte> sack = default;
        while (options.Length > 0)
        {
            var kind = options[0];
            if (kind == End)
                break;
            if (kind == NoOperation)
            {
                options = options[1..];
                continue;
            }
            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length)
                break;
            int length = options[1];
            var body = options[2..length];
            switch (kind)
            {
                case MaximumSegmentSizeKind when body.Length == 2:
                    mss = BinaryPrimitives.ReadUInt16BigEndian(body);
                    break;
                case WindowScaleKind when body.Length == 1:
                    shift = Math.Min((int)body[0], MaximumWindowShift);
                    break;
                case SackPermittedKind when body.Length == 0:
                    sackPermitted = true;
                    break;
                case SackKind when body.Length is >= 8 and <= 8 * MaximumSackBlocks && body.Length % 8 == 0:
                    sack = body;
                    break;
                default:
                    break;
            }
            options = options[length..];
        }
        return new(mss, shift, sackPermitted, sack);
    }

    /// <summary>Options of a SYN-ACK, padded to a multiple of 4. A shift of -1 and false leave the option out.</summary>
    public static int WriteHandshake(Span<byte> destination, ushort mss, int windowShift, bool sackPermitted)
    {
        destination[0] = MaximumSegmentSizeKind;
        destination[1] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], mss);
        var n = 4;
        if (windowShift >= 0)
        {
            destination[n] = NoOperation;
            destination[n + 1] = WindowScaleKind;
            destination[n + 2] = 3;
            destination[n + 3] = (byte)windowShift;
            n += 4;
        }
        if (sackPermitted)
        {
            destination[n] = destination[n + 1] = NoOperation;
            destination[n + 2] = SackPermittedKind;
            destination[n + 3] = 2;
            n += 4;
        }
        return n;
    }

    /// <summary>Writes the frame of a SACK option for <paramref name="count"/> blocks; the blocks follow at offset 4, eight bytes each.</summary>
    public static int WriteSackPrefix(Span<byte> destination, int count)
    {
        destination[0] = destination[1] = NoOperation;
        destination[2] = SackKind;
        destination[3] = (byte)(2 + 8 * count);
        return 4 + 8 * count;
    }
}
