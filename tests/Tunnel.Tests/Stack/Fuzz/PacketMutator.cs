using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack.Fuzz;

/// <summary>
/// Damages frames by a seed: bits, interesting numbers, cuts, repeats, splices. Half the time the sums are made right again
/// afterwards, because a damaged packet with a wrong sum never reaches the code behind the check.
/// </summary>
internal sealed class PacketMutator(Random random)
{
    private static readonly ushort[] Interesting = [0, 1, 4, 5, 7, 8, 19, 20, 39, 40, 0x7f, 0x80, 0xff, 0x1fff, 0x2000, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xfff8, 0xffff];

    public byte[] Mutate(byte[] original)
    {
        byte[] frame = [.. original];
        for (int i = random.Next(1, 6); i > 0; i--)
            frame = Step(frame);
        if (random.Next(2) == 0)
            Repair(frame);
        return frame;
    }

    private byte[] Step(byte[] frame)
    {
        if (frame.Length == 0)
            return [(byte)random.Next(256)];
        // Most of what matters is in the first hundred bytes.
        int at = random.Next(Math.Min(frame.Length, random.Next(4) == 0 ? int.MaxValue : 100));
        switch (random.Next(8))
        {
            case 0 or 1:
                frame[at] ^= (byte)(1 << random.Next(8));
                return frame;
            case 2:
                frame[at] = (byte)random.Next(256);
                return frame;
            case 3 or 4:
                if (at + 1 < frame.Length)
                    BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), Interesting[random.Next(Interesting.Length)]);
                return frame;
            case 5:
                return frame[..at];
            case 6:
                return [.. frame[..at], .. frame[random.Next(frame.Length)..]];
            default:
                IReadOnlyList<(string Name, byte[] Frame)> packets = PacketCorpus.Packets;
                byte[] other = packets[random.Next(packets.Count)].Frame;
                return [.. frame[..at], .. other[Math.Min(at, other.Length)..]];
        }
    }

    private static void Repair(byte[] frame)
    {
        if (frame.Length < 30)
            return;
        frame[0] |= VirtioNetHeader.DataValid; // the transport sum counts as checked
        Span<byte> packet = frame.AsSpan(VirtioNetHeader.Size);
        int header = (packet[0] & 15) * 4;
        if (packet[0] >> 4 != 4 || header < 20 || header > packet.Length)
            return;
        packet[10] = packet[11] = 0;
        MemoryMarshal.Write(packet[10..], Checksum.Finish(Checksum.Add(0, packet[..header])));
    }
}
