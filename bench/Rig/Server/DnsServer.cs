using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Server;

/// <summary>Knows every name: A records with one fixed address, no data for other types.</summary>
internal static class DnsServer
{
    private const int HeaderSize = 12, TypeA = 1, TimeToLive = 300;

    internal static void Start(int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20 };
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        new Thread(() => Serve(socket)).Start();
    }

    private static void Serve(Socket socket)
    {
        byte[] message = new byte[4096];
        SocketAddress client = new(AddressFamily.InterNetwork);
        while (true)
        {
            int length = socket.ReceiveFrom(message, SocketFlags.None, client);
            int answered = Answer(message, length);
            if (answered > 0)
                socket.SendTo(message.AsSpan(0, answered), SocketFlags.None, client);
        }
    }

    /// <returns>Length of the answer that now stands in <paramref name="message"/>, 0 for none.</returns>
    private static int Answer(Span<byte> message, int length)
    {
        int end = HeaderSize;
        while (end < length && message[end] != 0)
            end += 1 + message[end];
        end += 5;
        if (end > length || message[5] != 1)
            return 0;
        bool isAddress = BinaryPrimitives.ReadUInt16BigEndian(message[(end - 4)..]) == TypeA;
        message[2] |= 0x84; // response, authoritative
        message[3] = 0x80; // recursion available
        message[7] = (byte)(isAddress ? 1 : 0);
        message[8..HeaderSize].Clear(); // neither authority nor additional records, hence no EDNS
        if (!isAddress)
            return end;
        ReadOnlySpan<byte> record = [0xC0, HeaderSize, 0, TypeA, 0, 1, 0, 0, TimeToLive >> 8, TimeToLive & 0xFF, 0, 4, 10, 77, 0, 1];
        record.CopyTo(message[end..]);
        return end + record.Length;
    }
}
