using System.Buffers.Binary;

using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>What a program asks the agent.</summary>
internal enum PreloadQuestion : byte
{
    /// <summary>Where does a TCP connection to this address go, and what becomes of it?</summary>
    Tcp = 1,

    /// <summary>Where do datagrams to this address go?</summary>
    Udp = 2,

    /// <summary>What does this stand-in stand for?</summary>
    Real = 3,

    /// <summary>Which addresses has this name?</summary>
    LookUp = 4,

    /// <summary>Which name has this address?</summary>
    Reverse = 5,

    /// <summary>A DNS message.</summary>
    Query = 6,

    /// <summary>No question: the socket with this local address is the one that the connection was dialled for.</summary>
    Claim = 7,

    /// <summary>No question: a program is started that the shim is not in.</summary>
    Notice = 8,

    /// <summary>May a packet that is neither TCP nor UDP go to this address as it is?</summary>
    Other = 9,
}

/// <summary>Whether a question about names was answered.</summary>
internal enum PreloadNameStatus : byte
{
    Ok = 0,
    Unknown = 1,
    TryAgain = 2,
    NoData = 3,
}

/// <summary>A question as it came over the agent's socket.</summary>
/// <remarks>
/// <code>
///  0          1       2      3      4
/// +----------+-------+------+------+-------------------------------+
/// | question | flags | port (be)   | 16 bytes: address             |
/// |          |       |             | or: name, DNS message         |
/// +----------+-------+------+------+-------------------------------+
/// </code>
/// An IPv4 address is in its mapped form. Behind that of <see cref="PreloadQuestion.Udp"/> stands the port that datagrams come from.
/// Flags: bit 0 = the socket is non-blocking; for a name: 4, 6, or 0 for both; for a notice: a <see cref="ProgramObstacle"/>.
/// </remarks>
internal readonly ref struct PreloadMessage
{
    internal const int HeaderLength = 4, EndpointLength = HeaderLength + AddressLength, AddressLength = 16;

    private const byte NonBlocking = 1;

    private readonly ReadOnlySpan<byte> _bytes;

    private PreloadMessage(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    internal PreloadQuestion Question => (PreloadQuestion)_bytes[0];

    internal bool IsNonBlocking => (_bytes[1] & NonBlocking) != 0;

    internal int Family => _bytes[1];

    internal ProgramObstacle Obstacle => (ProgramObstacle)_bytes[1];

    internal ushort Port => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    /// <summary>The address; meaningful where the question has one.</summary>
    internal NetAddress Address => NetAddress.FromBytes(_bytes.Slice(HeaderLength, AddressLength));

    /// <summary>The port that datagrams come from, 0 when it was not said.</summary>
    internal ushort SenderPort => _bytes.Length >= EndpointLength + 2 ? BinaryPrimitives.ReadUInt16BigEndian(_bytes[EndpointLength..]) : (ushort)0;

    /// <summary>What follows the header.</summary>
    internal ReadOnlySpan<byte> Rest => _bytes[HeaderLength..];

    /// <summary>Reads what a program sent.</summary>
    /// <returns>False when it is malformed.</returns>
    internal static bool TryRead(ReadOnlySpan<byte> bytes, out PreloadMessage message)
    {
        message = default;
        if (bytes.Length <= HeaderLength)
            return false;
        message = new PreloadMessage(bytes);
        return message.Question switch
        {
            PreloadQuestion.Tcp or PreloadQuestion.Real or PreloadQuestion.Reverse or PreloadQuestion.Claim or PreloadQuestion.Other => bytes.Length == EndpointLength,
            PreloadQuestion.Udp => bytes.Length is EndpointLength or EndpointLength + 2,
            PreloadQuestion.LookUp or PreloadQuestion.Query or PreloadQuestion.Notice => true,
            _ => false,
        };
    }
}
