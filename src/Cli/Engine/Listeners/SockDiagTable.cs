using System.Buffers.Binary;
using System.Runtime.InteropServices;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Listeners;

/// <summary>
/// Asks the kernel over netlink (sock_diag(7)) for exactly the sockets that wait: unlike /proc/net/tcp this does not walk through the
/// connections of the whole machine, so it may be done ten times a second.
/// </summary>
/// <param name="netlink">A NETLINK_SOCK_DIAG socket of the namespace; owned.</param>
internal sealed unsafe class SockDiagTable(FileDescriptor netlink) : ISocketTable
{
    private const int AF_NETLINK = 16, NETLINK_SOCK_DIAG = 4;
    private const ushort SOCK_DIAG_BY_FAMILY = 20, NLMSG_ERROR = 2, NLMSG_DONE = 3, RequestAndDump = 0x301, INET_DIAG_SKV6ONLY = 11;
    private const int HeaderLength = 16, RequestLength = HeaderLength + 56, MessageLength = 72, AttributeHeader = 4;
    private const int TcpListen = 10, TcpClose = 7;

    private readonly byte[] _buffer = new byte[32 * 1024];
    private uint _sequence;

    /// <summary>One for this process's own namespace, or null where the kernel has none.</summary>
    internal static SockDiagTable? TryOpen() =>
        SocketOptions.Open(AF_NETLINK, Libc.SOCK_DGRAM, NETLINK_SOCK_DIAG) is { } socket ? new SockDiagTable(socket) : null;

    /// <inheritdoc/>
    public bool Read(bool udp, List<BoundSocket> found) => Dump(Libc.AF_INET, udp, found) && Dump(Libc.AF_INET6, udp, found);

    /// <inheritdoc/>
    public void Dispose() => netlink.Dispose();

    private bool Dump(int family, bool udp, List<BoundSocket> found)
    {
        // struct nlmsghdr, then struct inet_diag_req_v2 with an empty socket id.
        Span<byte> request = stackalloc byte[RequestLength];
        request.Clear();
        uint sequence = ++_sequence;
        MemoryMarshal.Write(request, RequestLength);
        MemoryMarshal.Write(request[4..], SOCK_DIAG_BY_FAMILY);
        MemoryMarshal.Write(request[6..], RequestAndDump);
        MemoryMarshal.Write(request[8..], sequence);
        request[HeaderLength] = (byte)family;
        request[HeaderLength + 1] = (byte)(udp ? Libc.IPPROTO_UDP : Libc.IPPROTO_TCP);
        MemoryMarshal.Write(request[(HeaderLength + 4)..], 1u << (udp ? TcpClose : TcpListen));
        fixed (byte* at = request)
        {
            if (Libc.send(netlink.Number, at, RequestLength, Libc.MSG_DONTWAIT) != RequestLength)
                return false;
        }

        // The kernel answers while it is asked, so nothing is waited for.
        while (true)
        {
            nint count;
            fixed (byte* at = _buffer)
                count = Libc.recv(netlink.Number, at, (nuint)_buffer.Length, Libc.MSG_DONTWAIT);
            if (count <= 0)
                return false;
            if (Parse(_buffer.AsSpan(0, (int)count), sequence, found) is bool complete)
                return complete;
        }
    }

    // Null while more is to come.
    private static bool? Parse(ReadOnlySpan<byte> bytes, uint sequence, List<BoundSocket> found)
    {
        while (bytes.Length >= HeaderLength)
        {
            int length = MemoryMarshal.Read<int>(bytes);
            ushort type = MemoryMarshal.Read<ushort>(bytes[4..]);
            if (length < HeaderLength || length > bytes.Length)
                return false;

            // What is left of a question that was given up is passed over.
            if (MemoryMarshal.Read<uint>(bytes[8..]) == sequence)
            {
                if (type == NLMSG_DONE)
                    return true;
                if (type == NLMSG_ERROR)
                    return false;
                if (type == SOCK_DIAG_BY_FAMILY && length >= HeaderLength + MessageLength)
                    found.Add(ReadSocket(bytes[HeaderLength..length]));
            }

            int step = (length + 3) & ~3;
            bytes = step >= bytes.Length ? default : bytes[step..];
        }

        return null;
    }

    // struct inet_diag_msg: family, state, timer, retransmissions; ports, addresses, interface, cookie; then expires, queues, uid, inode.
    private static BoundSocket ReadSocket(ReadOnlySpan<byte> message)
    {
        const int portAt = 4, addressAt = 8, inodeAt = 68;
        bool v4 = message[0] == Libc.AF_INET;
        NetAddress address = NetAddress.FromBytes(message.Slice(addressAt, v4 ? 4 : 16));
        return new BoundSocket(address, BinaryPrimitives.ReadUInt16BigEndian(message[portAt..]), IsOnlyIPv6(message[MessageLength..]), MemoryMarshal.Read<uint>(message[inodeAt..]));
    }

    private static bool IsOnlyIPv6(ReadOnlySpan<byte> attributes)
    {
        while (attributes.Length > AttributeHeader)
        {
            int length = MemoryMarshal.Read<ushort>(attributes);
            if (MemoryMarshal.Read<ushort>(attributes[2..]) == INET_DIAG_SKV6ONLY)
                return attributes[AttributeHeader] != 0;
            int step = (length + 3) & ~3;
            if (length < AttributeHeader || step >= attributes.Length)
                return false;
            attributes = attributes[step..];
        }

        return false;
    }
}
