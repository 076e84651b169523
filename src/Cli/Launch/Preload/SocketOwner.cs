using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>
/// Says whose a UDP socket of this machine is. A datagram has no SO_PEERCRED, but the kernel tells the owner of any socket to whom asks:
/// through sock_diag(7) for one socket, or in /proc/net for all where it was built without.
/// </summary>
internal sealed unsafe class SocketOwner : IDisposable
{
    private const int AfNetlink = 16, SockRaw = 3, NetlinkSockDiag = 4;
    private const ushort SockDiagByFamily = 20, Request = 1, NlmsgError = 2;
    private const int HeaderLength = 16, RequestLength = HeaderLength + 56, AnswerLength = HeaderLength + 72;
    private const int StatesAt = HeaderLength + 4, SourceAt = HeaderLength + 12, DestinationAt = SourceAt + 16, CookieAt = DestinationAt + 20, UidAt = HeaderLength + 64;
    private const int NoEntry = -2;

    // Kept open from the first question on; null before, and after one that went wrong: its late answer must not pass for the next one's.
    private FileDescriptor? _socket;

    // A kernel without the module for UDP says of every socket that there is none.
    private bool _hasAnswered;

    /// <summary>The user id of the owner of the socket that receives what is sent from <paramref name="remote"/> to <paramref name="local"/>.</summary>
    /// <returns>Null when there is no such socket.</returns>
    internal uint? Find(NetAddress local, ushort localPort, NetAddress remote, ushort remotePort)
    {
        uint? owner = Ask(local, localPort, remote, remotePort, out bool isKnown);
        if (isKnown)
            return owner;
        Dispose();
        return Read(local, localPort, remote, remotePort);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket?.Dispose();
        _socket = null;
    }

    // The kernel looks the socket up as if a datagram came from "source", so the socket's own end is the destination.
    private uint? Ask(NetAddress local, ushort localPort, NetAddress remote, ushort remotePort, out bool isKnown)
    {
        isKnown = false;
        _socket ??= new FileDescriptor(Libc.socket(AfNetlink, SockRaw | Libc.SOCK_CLOEXEC, NetlinkSockDiag));
        if (_socket.IsInvalid)
            return null;
        Span<byte> message = stackalloc byte[AnswerLength];
        message.Clear();
        MemoryMarshal.Write(message, RequestLength);
        MemoryMarshal.Write(message[4..], SockDiagByFamily);
        MemoryMarshal.Write(message[6..], Request);
        message[HeaderLength] = Libc.AF_INET;
        message[HeaderLength + 1] = Libc.IPPROTO_UDP;
        MemoryMarshal.Write(message[StatesAt..], uint.MaxValue);
        BinaryPrimitives.WriteUInt16BigEndian(message[(StatesAt + 4)..], remotePort);
        BinaryPrimitives.WriteUInt16BigEndian(message[(StatesAt + 6)..], localPort);
        BinaryPrimitives.WriteUInt32BigEndian(message[SourceAt..], remote.IPv4);
        BinaryPrimitives.WriteUInt32BigEndian(message[DestinationAt..], local.IPv4);
        MemoryMarshal.Write(message[CookieAt..], ulong.MaxValue);
        nint length;
        fixed (byte* at = message)
        {
            if (Libc.send(_socket.Number, at, RequestLength, Libc.MSG_NOSIGNAL) != RequestLength)
                return null;
            length = Libc.recv(_socket.Number, at, AnswerLength, Libc.MSG_DONTWAIT);
        }

        if (length < HeaderLength + sizeof(int))
            return null;
        if (MemoryMarshal.Read<ushort>(message[4..]) != NlmsgError)
        {
            _hasAnswered |= isKnown = length >= UidAt + sizeof(uint);
            return isKnown ? MemoryMarshal.Read<uint>(message[UidAt..]) : null;
        }

        isKnown = _hasAnswered && MemoryMarshal.Read<int>(message[HeaderLength..]) == NoEntry;
        return null;
    }

    private static uint? Read(NetAddress local, ushort localPort, NetAddress remote, ushort remotePort)
    {
        foreach ((string file, bool isIPv6) in (ReadOnlySpan<(string, bool)>)[("/proc/net/udp", false), ("/proc/net/udp6", true)])
        {
            try
            {
                if (File.Exists(file) && FindLine(File.ReadLines(file), Format(local, localPort, isIPv6), Format(remote, remotePort, isIPv6)) is { } owner)
                    return owner;
            }
            catch (IOException)
            {
                // No descriptor is left. Whose the socket is stays unknown, and that flow shut.
            }
        }

        return null;
    }

    /// <summary>Finds a socket in the lines of /proc/net/udp; it may be unconnected, or bound to every address.</summary>
    internal static uint? FindLine(IEnumerable<string> lines, string local, string remote)
    {
        string port = local[local.IndexOf(':', StringComparison.Ordinal)..];
        foreach (string line in lines)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 8 || !uint.TryParse(words[7], NumberStyles.None, CultureInfo.InvariantCulture, out uint owner))
                continue;
            bool isConnected = words[1] == local && words[2] == remote;
            bool isOpen = words[1].EndsWith(port, StringComparison.Ordinal) && words[2].TrimStart('0') == ":0000";
            if (isConnected || isOpen)
                return owner;
        }

        return null;
    }

    /// <summary>The address as the kernel prints it: words in the machine's byte order.</summary>
    internal static string Format(NetAddress address, ushort port, bool isIPv6) => string.Create(
        CultureInfo.InvariantCulture,
        $"{(isIPv6 ? "0000000000000000FFFF0000" : "")}{BinaryPrimitives.ReverseEndianness(address.IPv4):X8}:{port:X4}");
}
