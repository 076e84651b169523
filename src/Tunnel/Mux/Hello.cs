using System.Buffers.Binary;
using System.Text;

namespace Telepresence.Tunnel.Mux;

/// <summary>What <see cref="Hello.TryParse"/> made of the first bytes of a link.</summary>
public enum HelloParse
{
    /// <summary>Too few bytes yet.</summary>
    NeedMore,

    /// <summary>A whole hello.</summary>
    Ok,

    /// <summary>Not a hello.</summary>
    Bad,
}

/// <summary>
/// The first bytes of every link, from client to proxy: a view over the received bytes (SPEC.md, "Hello").
/// </summary>
/// <remarks>Magic, length, format and version never move, so that two programs of any two versions can name each other.</remarks>
public readonly ref struct Hello
{
    /// <summary>Most bytes that a hello can take.</summary>
    public const int MaxSize = Preamble.Size + MuxSessionOptions.MaxVersionBytes + RestSize;

    /// <summary>Bytes of the session key.</summary>
    public const int KeySize = 32;

    private const int RestSize = 1 + 16 + KeySize + 4 + 4;
    private const byte ResumingFlag = 1, DirectFlag = 2;

    private readonly ReadOnlySpan<byte> _version;
    private readonly ReadOnlySpan<byte> _rest;

    private Hello(byte format, ReadOnlySpan<byte> version, ReadOnlySpan<byte> rest)
    {
        Format = format;
        _version = version;
        _rest = rest;
    }

    /// <summary>Layout of what follows the version. Only <see cref="Version"/> may be read unless it is <see cref="IsKnownFormat">known</see>.</summary>
    public byte Format { get; }

    /// <summary>Whether the other properties can be read.</summary>
    public bool IsKnownFormat => Format == Preamble.CurrentFormat;

    /// <summary>The client's version, safe to show.</summary>
    public string Version => WireText.Read(_version);

    /// <summary>Whether the client has been established on this session before.</summary>
    public bool Resuming => (_rest[0] & ResumingFlag) != 0;

    /// <summary>Whether the link leads straight from the client's socket to the proxy's (<see cref="MuxSessionOptions.DirectLink"/>).</summary>
    internal bool IsDirect => (_rest[0] & DirectFlag) != 0;

    /// <summary>The session.</summary>
    public Guid SessionId => new(_rest.Slice(1, 16), bigEndian: true);

    /// <summary>The session key. A secret: compare its SHA-256 in constant time, never log it.</summary>
    public ReadOnlySpan<byte> Key => _rest.Slice(17, KeySize);

    /// <summary>The sequence number of the frame that the client expects next.</summary>
    internal uint Received => BinaryPrimitives.ReadUInt32BigEndian(_rest[(17 + KeySize)..]);

    /// <summary>How much may be sent to the client on a stream that it has not accepted yet.</summary>
    internal uint EarlyWindow => BinaryPrimitives.ReadUInt32BigEndian(_rest[(21 + KeySize)..]);

    /// <summary>Reads a hello from the first bytes of a link.</summary>
    /// <param name="bytes">What has come so far.</param>
    /// <param name="hello">A view over <paramref name="bytes"/>, when <see cref="HelloParse.Ok"/>.</param>
    /// <param name="consumed">How many bytes the hello took; frames follow.</param>
    public static HelloParse TryParse(ReadOnlySpan<byte> bytes, out Hello hello, out int consumed)
    {
        hello = default;
        HelloParse result = Preamble.TryParse(bytes, MaxSize, out byte format, out ReadOnlySpan<byte> version, out ReadOnlySpan<byte> rest, out consumed);
        if (result != HelloParse.Ok)
            return result;
        if (format == Preamble.CurrentFormat && rest.Length != RestSize)
            return HelloParse.Bad;
        hello = new Hello(format, version, rest);
        return HelloParse.Ok;
    }

    /// <summary>Writes the hello of <paramref name="options"/>.</summary>
    /// <returns>Bytes written, at most <see cref="MaxSize"/>.</returns>
    internal static int Write(Span<byte> destination, MuxSessionOptions options, bool resuming, uint received)
    {
        int at = Preamble.Write(destination, options.Version, RestSize);
        Span<byte> rest = destination.Slice(at, RestSize);
        rest[0] = (byte)((resuming ? ResumingFlag : 0) | (options.DirectLink ? DirectFlag : 0));
        options.SessionId.TryWriteBytes(rest.Slice(1, 16), bigEndian: true, out _);
        options.Key.Span.CopyTo(rest.Slice(17, KeySize));
        BinaryPrimitives.WriteUInt32BigEndian(rest[(17 + KeySize)..], received);
        BinaryPrimitives.WriteUInt32BigEndian(rest[(21 + KeySize)..], (uint)options.EarlyWindow);
        return at + RestSize;
    }
}

/// <summary>The part that hello and welcome share: magic, length, format, version.</summary>
internal static class Preamble
{
    internal const int Size = 12;
    internal const byte CurrentFormat = 1;

    // "TPMUX", then a line end and a zero, which any text-mode transport or HTTP error page would spoil.
    private static ReadOnlySpan<byte> Magic => "TPMUX\r\n\0"u8;

    internal static HelloParse TryParse(
        ReadOnlySpan<byte> bytes,
        int maxSize,
        out byte format,
        out ReadOnlySpan<byte> version,
        out ReadOnlySpan<byte> rest,
        out int consumed)
    {
        format = 0;
        version = rest = default;
        consumed = 0;
        int known = Math.Min(bytes.Length, Magic.Length);
        if (!bytes[..known].SequenceEqual(Magic[..known]))
            return HelloParse.Bad;
        if (bytes.Length < Size)
            return HelloParse.NeedMore;
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]);
        int versionLength = bytes[11];
        if (length > maxSize || versionLength > MuxSessionOptions.MaxVersionBytes || length < Size + versionLength)
            return HelloParse.Bad;
        if (bytes.Length < length)
            return HelloParse.NeedMore;
        format = bytes[10];
        version = bytes.Slice(Size, versionLength);
        rest = bytes[(Size + versionLength)..length];
        consumed = length;
        return HelloParse.Ok;
    }

    /// <returns>Bytes written; <paramref name="restSize"/> more must follow.</returns>
    internal static int Write(Span<byte> destination, string version, int restSize)
    {
        int versionLength = Encoding.UTF8.GetBytes(version, destination.Slice(Size, MuxSessionOptions.MaxVersionBytes));
        Magic.CopyTo(destination);
        BinaryPrimitives.WriteUInt16BigEndian(destination[8..], (ushort)(Size + versionLength + restSize));
        destination[10] = CurrentFormat;
        destination[11] = (byte)versionLength;
        return Size + versionLength;
    }
}
