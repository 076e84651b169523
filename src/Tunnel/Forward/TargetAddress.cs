using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Where a stream goes: an address or a host name, and a port. It travels in the target field of the frame that opens a stream.
/// </summary>
/// <remarks>
/// <para>Encoding, 3 bytes and then what the first says:</para>
/// <code>
///  0      1      2      3
/// +------+------+------+----------------------------------+
/// | form | port (be)   | 4: 4 bytes, IPv4, network order  |
/// |      |             | 6: 16 bytes, IPv6, network order |
/// |      |             | 1: 1 to 253 bytes, host name     |
/// +------+------+------+----------------------------------+
/// </code>
/// <para>Trailing bytes make it malformed. A host name is visible ASCII (RFC 1123 letters, digits, dots, hyphens, and the underscore);
/// it is for the peer's own resolver, so only what cannot be resolved here is sent as a name.</para>
/// </remarks>
public readonly record struct TargetAddress
{
    /// <summary>Most bytes that an encoded target takes.</summary>
    public const int MaxLength = HeaderLength + MaxNameLength;

    private const int HeaderLength = 3, MaxNameLength = 253;
    private const byte FormName = 1, FormIPv4 = 4, FormIPv6 = 6;

    /// <summary>A target by address.</summary>
    public TargetAddress(NetAddress address, ushort port)
    {
        Address = address;
        Port = port;
    }

    /// <summary>A target by name.</summary>
    /// <exception cref="ArgumentException">Not a host name of at most 253 bytes.</exception>
    public TargetAddress(string name, ushort port)
    {
        if (!IsHostName(name))
            throw new ArgumentException($"\"{name}\" is not a host name.", nameof(name));
        Name = name;
        Port = port;
    }

    /// <summary>The address; meaningful when <see cref="Name"/> is null.</summary>
    public NetAddress Address { get; }

    /// <summary>The host name, or null when the target is an address.</summary>
    public string? Name { get; }

    /// <summary>The port, 0 where the kind of stream has none.</summary>
    public ushort Port { get; }

    /// <summary>Writes the encoded form.</summary>
    /// <param name="destination">At least <see cref="MaxLength"/> bytes, or as many as this target needs.</param>
    /// <returns>How many bytes were written.</returns>
    public int Encode(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[1..], Port);
        if (Name is not null)
        {
            destination[0] = FormName;
            return HeaderLength + Encoding.ASCII.GetBytes(Name, destination[HeaderLength..]);
        }

        destination[0] = Address.IsIPv4 ? FormIPv4 : FormIPv6;
        return HeaderLength + Address.CopyTo(destination[HeaderLength..]);
    }

    /// <summary>The encoded form as an array of its own.</summary>
    public byte[] ToBytes()
    {
        Span<byte> buffer = stackalloc byte[MaxLength];
        return buffer[..Encode(buffer)].ToArray();
    }

    /// <summary>Reads what a peer sent.</summary>
    /// <returns>False when it is malformed.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out TargetAddress target)
    {
        target = default;
        if (bytes.Length <= HeaderLength)
            return false;
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[1..]);
        ReadOnlySpan<byte> rest = bytes[HeaderLength..];
        switch (bytes[0])
        {
            case FormIPv4 when rest.Length == 4:
            case FormIPv6 when rest.Length == 16:
                target = new TargetAddress(NetAddress.FromBytes(rest), port);
                return true;
            case FormName when rest.Length <= MaxNameLength:
                string name = Encoding.ASCII.GetString(rest);
                if (!IsHostName(name))
                    return false;
                target = new TargetAddress(name, port);
                return true;
            default:
                return false;
        }
    }

    /// <summary><c>address:port</c>, <c>[address]:port</c> or <c>name:port</c>.</summary>
    public override string ToString() =>
        Name is not null ? $"{Name}:{Port}" : Address.IsIPv4 ? $"{Address}:{Port}" : $"[{Address}]:{Port}";

    private static bool IsHostName([NotNullWhen(true)] string? name)
    {
        if (name is null || name.Length is 0 or > MaxNameLength)
            return false;
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_'))
                return false;
        }

        return true;
    }
}
