using System.Buffers.Binary;

namespace Telepresence.Tunnel.Mux;

/// <summary>The proxy's answer to a hello: a welcome, or a refusal with its reason (SPEC.md, "Hello").</summary>
internal readonly ref struct Welcome
{
    /// <summary>Most bytes that a welcome can take.</summary>
    internal const int MaxSize = Preamble.Size + MuxSessionOptions.MaxVersionBytes + 1 + FrameHeader.MaxReason;

    private const int AcceptedSize = 1 + 4 + 4;

    private readonly ReadOnlySpan<byte> _version;
    private readonly ReadOnlySpan<byte> _rest;

    private Welcome(byte format, ReadOnlySpan<byte> version, ReadOnlySpan<byte> rest)
    {
        Format = format;
        _version = version;
        _rest = rest;
    }

    internal byte Format { get; }

    internal string Version => WireText.Read(_version);

    internal HelloRefusal Refusal => (HelloRefusal)_rest[0];

    internal string Reason => WireText.Read(_rest[1..]);

    internal uint Received => BinaryPrimitives.ReadUInt32BigEndian(_rest[1..]);

    internal uint EarlyWindow => BinaryPrimitives.ReadUInt32BigEndian(_rest[5..]);

    internal static HelloParse TryParse(ReadOnlySpan<byte> bytes, out Welcome welcome, out int consumed)
    {
        welcome = default;
        HelloParse result = Preamble.TryParse(bytes, MaxSize, out byte format, out ReadOnlySpan<byte> version, out ReadOnlySpan<byte> rest, out consumed);
        if (result != HelloParse.Ok)
            return result;
        if (format == Preamble.CurrentFormat && (rest.IsEmpty || (rest[0] == 0 && rest.Length != AcceptedSize)))
            return HelloParse.Bad;
        welcome = new Welcome(format, version, rest);
        return HelloParse.Ok;
    }

    internal static int Write(Span<byte> destination, MuxSessionOptions options, uint received)
    {
        int at = Preamble.Write(destination, options.Version, AcceptedSize);
        destination[at] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 1)..], received);
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 5)..], (uint)options.EarlyWindow);
        return at + AcceptedSize;
    }

    internal static int WriteRefusal(Span<byte> destination, string version, HelloRefusal code, string reason)
    {
        Span<byte> text = stackalloc byte[FrameHeader.MaxReason];
        text = text[..WireText.Write(reason, text)];
        int at = Preamble.Write(destination, version, 1 + text.Length);
        destination[at] = (byte)code;
        text.CopyTo(destination[(at + 1)..]);
        return at + 1 + text.Length;
    }
}
