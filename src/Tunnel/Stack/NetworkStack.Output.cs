using System.Runtime.InteropServices;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// Packets out. Headers are written into one pinned scratch buffer; payload is named where it lies. With offload the checksum field
// holds the sum of the pseudo header and the device (that is, the kernel, which then never sums at all) does the rest.
public sealed unsafe partial class NetworkStack
{
    private const int MaximumVectors = 64;
    private const int ScratchSize = 256;

    // Pinned, so its address may be kept. Not page-aligned, like every array (page-aligned sources are slow to copy on some CPUs).
    private readonly byte[] _scratch = GC.AllocateArray<byte>(ScratchSize, pinned: true);
    private readonly IoVector[] _vectors = new IoVector[MaximumVectors];
    private uint _identification;

    /// <summary>Sends a TCP segment towards the local program.</summary>
    /// <param name="flow">The flow; the segment goes from its destination to its source.</param>
    /// <param name="flags">Control bits.</param>
    /// <param name="sequence">Sequence number.</param>
    /// <param name="acknowledgment">Acknowledgment number.</param>
    /// <param name="window">Window field, scaled.</param>
    /// <param name="options">TCP options, padded to 4.</param>
    /// <param name="queue">Where the payload lies.</param>
    /// <param name="offset">Its absolute offset there.</param>
    /// <param name="length">Its length; more than <paramref name="mss"/> makes a super-packet that the kernel takes whole.</param>
    /// <param name="mss">Payload bytes per segment of a super-packet.</param>
    /// <returns>Payload bytes sent; -1 when the device is full and nothing was sent.</returns>
    internal int SendSegment(
        in FlowKey flow, TcpFlags flags, uint sequence, uint acknowledgment, ushort window, ReadOnlySpan<byte> options,
        ByteQueue? queue = null, long offset = 0, int length = 0, int mss = 0)
    {
        int count = 1;
        if (length > 0)
        {
            int vectors = queue!.Gather(offset, length, _vectors.AsSpan(1));
            int named = 0;
            for (int i = 1; i <= vectors; i++)
                named += (int)_vectors[i].Length;
            if (named < length)
            {
                length = named;
                flags &= ~(TcpFlags.Fin | TcpFlags.Psh);
            }
            count += vectors;
        }

        Span<byte> scratch = _scratch;
        bool v4 = flow.IsIPv4;
        int ipLength = v4 ? IPv4Header.MinimumSize : IPv6Header.Size;
        int tcpStart = VirtioNetHeader.Size + ipLength;
        int tcpLength = TcpHeader.Write(
            scratch[tcpStart..], flow.DestinationPort, flow.SourcePort, sequence, acknowledgment, flags, window, options.Length);
        options.CopyTo(scratch[(tcpStart + TcpHeader.MinimumSize)..]);
        int transport = tcpLength + length;
        WriteIp(scratch[VirtioNetHeader.Size..], flow.Destination, flow.Source, IpProtocol.Tcp, transport);

        ulong sum = Checksum.PseudoHeader(flow.Destination, flow.Source, IpProtocol.Tcp, transport);
        if (Options.Offload)
        {
            MemoryMarshal.Write(scratch[(tcpStart + TcpHeader.ChecksumOffset)..], Checksum.Fold(sum));
            bool cut = length > mss;
            byte gso = !cut ? (byte)0 : v4 ? VirtioNetHeader.GsoTcpV4 : VirtioNetHeader.GsoTcpV6;
            new VirtioNetHeader(
                VirtioNetHeader.NeedsChecksum, gso, (ushort)(ipLength + tcpLength), cut ? (ushort)mss : (ushort)0, (ushort)ipLength,
                TcpHeader.ChecksumOffset).Write(scratch);
        }
        else
        {
            sum = Checksum.Add(sum, scratch.Slice(tcpStart, tcpLength));
            sum = SumVectors(sum, count);
            MemoryMarshal.Write(scratch[(tcpStart + TcpHeader.ChecksumOffset)..], Checksum.Finish(sum));
            default(VirtioNetHeader).Write(scratch);
        }
        _vectors[0] = new IoVector(scratch[..(tcpStart + tcpLength)]);
        return Emit(count) ? length : -1;
    }

    /// <summary>A reset (RFC 9293 §3.5.2).</summary>
    internal void SendReset(in FlowKey flow, uint sequence, uint acknowledgment, bool withAck)
    {
        Counters.ResetsOut++;
        SendSegment(flow, withAck ? TcpFlags.Rst | TcpFlags.Ack : TcpFlags.Rst, sequence, acknowledgment, 0, default);
    }

    /// <summary>
    /// Ends the TIME-WAIT of the local kernel, which has closed first and acknowledged our FIN: with a reset at the very number that it expects
    /// (RFC 1337 §2). It waits for old segments, and a device has none; but thousands of waiting ports make each connect(2) slow, and
    /// 28,000 to one place within a minute are all that there are. Nobody but the waiting entry sees it, the program's socket is done.
    /// </summary>
    internal void EndTimeWait(in FlowKey flow, uint sequence) => SendSegment(flow, TcpFlags.Rst, sequence, 0, 0, default);

    /// <summary>Sends a UDP or ICMP message, in fragments when it is longer than the MTU. <paramref name="head"/> is its 8-byte header with checksum 0.</summary>
    private bool SendMessage(
        in NetAddress source, in NetAddress destination, byte protocol, Span<byte> head, ReadOnlySpan<byte> payload, int checksumOffset)
    {
        bool v4 = source.IsIPv4;
        int ipLength = v4 ? IPv4Header.MinimumSize : IPv6Header.Size;
        int total = head.Length + payload.Length;
        bool fragmented = ipLength + total > Options.Mtu;
        ulong sum = protocol == IpProtocol.Icmp ? 0 : Checksum.PseudoHeader(source, destination, protocol, total);
        bool offload = Options.Offload && protocol == IpProtocol.Udp && !fragmented;
        ushort checksum = offload ? Checksum.Fold(sum) : Checksum.Finish(Checksum.Add(Checksum.Add(sum, head), payload));
        if (protocol == IpProtocol.Udp && !offload && checksum == 0)
            checksum = ushort.MaxValue; // zero would mean "none"
        MemoryMarshal.Write(head[checksumOffset..], checksum);

        fixed (byte* data = payload)
        {
            if (fragmented)
                return SendFragments(source, destination, protocol, head, data, payload.Length);
            Span<byte> scratch = _scratch;
            (offload
                ? new VirtioNetHeader(VirtioNetHeader.NeedsChecksum, 0, 0, 0, (ushort)ipLength, (ushort)checksumOffset)
                : default).Write(scratch);
            WriteIp(scratch[VirtioNetHeader.Size..], source, destination, protocol, total);
            head.CopyTo(scratch[(VirtioNetHeader.Size + ipLength)..]);
            _vectors[0] = new IoVector(scratch[..(VirtioNetHeader.Size + ipLength + head.Length)]);
            _vectors[1] = new IoVector(data, payload.Length);
            return EmitMessage(payload.IsEmpty ? 1 : 2);
        }
    }

    private bool SendFragments(
        in NetAddress source, in NetAddress destination, byte protocol, ReadOnlySpan<byte> head, byte* data, int payloadLength)
    {
        bool v4 = source.IsIPv4;
        int headers = v4 ? IPv4Header.MinimumSize : IPv6Header.Size + 8;
        int room = (Options.Mtu - headers) & ~7;
        int total = head.Length + payloadLength;
        uint identification = ++_identification;
        Span<byte> scratch = _scratch;
        for (int offset = 0; offset < total;)
        {
            int length = Math.Min(room, total - offset);
            bool more = offset + length < total;
            Span<byte> ip = scratch[VirtioNetHeader.Size..];
            default(VirtioNetHeader).Write(scratch);
            if (v4)
            {
                ushort field = (ushort)(offset / 8 | (more ? IPv4Header.MoreFragments : 0));
                IPv4Header.Write(ip, source.IPv4, destination.IPv4, protocol, length, (ushort)identification, field);
            }
            else
            {
                IPv6Header.Write(ip, source, destination, IpProtocol.Fragment, 8 + length);
                IPv6Extensions.WriteFragment(ip[IPv6Header.Size..], protocol, offset, more, identification);
            }
            int front = VirtioNetHeader.Size + headers;
            int fromHead = 0;
            if (offset == 0)
            {
                head.CopyTo(scratch[front..]);
                fromHead = head.Length;
            }
            _vectors[0] = new IoVector(scratch[..(front + fromHead)]);
            _vectors[1] = new IoVector(data + offset + fromHead - head.Length, length - fromHead);
            if (!EmitMessage(2))
                return false;
            offset += length;
        }
        return true;
    }

    private static void WriteIp(Span<byte> at, in NetAddress source, in NetAddress destination, byte protocol, int payloadLength)
    {
        if (source.IsIPv4)
            IPv4Header.Write(at, source.IPv4, destination.IPv4, protocol, payloadLength);
        else
            IPv6Header.Write(at, source, destination, protocol, payloadLength);
    }

    /// <summary>Sums the payload vectors, minding that a piece may begin at an odd place.</summary>
    private ulong SumVectors(ulong sum, int count)
    {
        bool odd = false;
        for (int i = 1; i < count; i++)
        {
            ReadOnlySpan<byte> piece = _vectors[i].Span;
            sum = odd ? Checksum.AddOdd(sum, piece) : Checksum.Add(sum, piece);
            odd ^= (piece.Length & 1) != 0;
        }
        return sum;
    }

    private bool EmitMessage(int count)
    {
        if (Emit(count))
            return true;
        Counters.DatagramsDropped++;
        return false;
    }

    private bool Emit(int count)
    {
        if (_output.Send(_vectors.AsSpan(0, count)))
        {
            Counters.PacketsOut++;
            return true;
        }
        Counters.OutputBlocked++;
        Blocked = true;
        _blockedUntil = Now + BlockedRetry;
        return false;
    }
}
