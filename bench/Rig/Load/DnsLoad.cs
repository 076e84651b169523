using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Telepresence.Rig.Load;

/// <summary>Asks for A records over UDP with a fixed number of questions in flight; each answer is checked and lets the next go out.</summary>
internal static class DnsLoad
{
    private const int InFlight = 100, LossMilliseconds = 1000, HeaderSize = 12;

    /// <param name="server">The server.</param>
    /// <param name="duration">How long.</param>
    /// <param name="names">How many different names; 0: each name once, so that no cache knows it.</param>
    /// <param name="domain">What the names end in.</param>
    internal static LoadResult Run(IPEndPoint server, TimeSpan duration, int names, string domain)
    {
        using Socket socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = LossMilliseconds };
        socket.Connect(server);
        string salt = names > 0 ? "n" : "u" + Random.Shared.Next().ToString("x", CultureInfo.InvariantCulture) + "-";
        byte[] question = new byte[512], answer = new byte[4096];
        int next = 0, open = 0, lost = 0, answered = 0;
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < duration)
        {
            for (; open < InFlight; open++, next++)
            {
                int number = names > 0 ? next % names : next;
                socket.Send(question.AsSpan(0, Write(question, (ushort)next, $"{salt}{number}.{domain}")));
            }

            int length;
            try
            {
                length = socket.Receive(answer);
            }
            catch (SocketException silence) when (silence.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                lost += open;
                open = 0;
                continue;
            }

            open--;
            if (length < HeaderSize || (answer[3] & 0x0F) != 0 || BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(6)) == 0)
                throw new InvalidDataException("A DNS answer without a record came.");
            answered++;
        }

        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        return new LoadResult().With("perSecond", answered / seconds).With("lost", lost);
    }

    private static int Write(Span<byte> to, ushort id, string name)
    {
        to[..HeaderSize].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(to, id);
        to[2] = 1; // recursion desired
        to[5] = 1; // one question
        int at = HeaderSize;
        foreach (Range label in name.AsSpan().Split('.'))
        {
            int length = Encoding.ASCII.GetBytes(name.AsSpan()[label], to[(at + 1)..]);
            to[at] = (byte)length;
            at += 1 + length;
        }

        to[at++] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(to[at..], 1); // A
        BinaryPrimitives.WriteUInt16BigEndian(to[(at + 2)..], 1); // IN
        return at + 4;
    }
}
