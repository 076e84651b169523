using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// What is not a connection: UDP both ways, echo both ways, ICMP errors out.
public sealed partial class NetworkStack
{
    private void ReceiveUdp(in NetAddress source, in NetAddress destination, ReadOnlySpan<byte> bytes, bool trusted)
    {
        if (!UdpHeader.TryParse(bytes, out UdpHeader udp) || udp.DestinationPort == 0)
        {
            Counters.Malformed++;
            return;
        }
        if (!trusted)
        {
            // RFC 768: no checksum is allowed over IPv4; RFC 8200 §8.1: not over IPv6.
            bool valid = udp.HasChecksum ? IsChecksumValid(source, destination, IpProtocol.Udp, udp.Datagram) : source.IsIPv4;
            if (!valid)
            {
                Counters.BadChecksum++;
                return;
            }
        }
        Counters.DatagramsIn++;
        _handler.OnDatagram(new FlowKey(source, udp.SourcePort, destination, udp.DestinationPort), udp.Payload, Now);
    }

    private void ReceiveIcmp(in NetAddress source, in NetAddress destination, ReadOnlySpan<byte> bytes)
    {
        if (!IcmpHeader.TryParse(bytes, out IcmpHeader icmp))
        {
            Counters.Malformed++;
            return;
        }
        // The kernel never leaves ICMP sums to a device, so they are always checked.
        ulong sum = source.IsIPv4 ? 0 : Checksum.PseudoHeader(source, destination, IpProtocol.IcmpV6, bytes.Length);
        if (!Checksum.IsValid(Checksum.Add(sum, bytes)))
        {
            Counters.BadChecksum++;
            return;
        }
        if (icmp.Type == (source.IsIPv4 ? IcmpHeader.EchoRequestV4 : IcmpHeader.EchoRequestV6) && icmp.Code == 0)
            _handler.OnEcho(new EchoRequest(source, destination, icmp.Identifier, icmp.Sequence, icmp.Data), Now);
        else
            Counters.Ignored++; // errors about our answers, neighbour discovery: nothing to do, and never answered (RFC 1122 §3.2.2)
    }

    /// <summary>Sends a UDP answer to the local program, from the destination that it had addressed. Longer than the MTU goes in fragments.</summary>
    /// <param name="flow">The flow as <see cref="IFlowHandler.OnDatagram"/> gave it.</param>
    /// <param name="payload">At most 65,507 bytes over IPv4, 65,527 over IPv6; longer is dropped and counted.</param>
    /// <param name="now">µs.</param>
    public void SendDatagram(in FlowKey flow, ReadOnlySpan<byte> payload, long now)
    {
        Now = now;
        if (payload.Length > (flow.IsIPv4 ? 65_507 : 65_527))
        {
            Counters.DatagramsDropped++;
            return;
        }
        Span<byte> head = stackalloc byte[UdpHeader.Size];
        UdpHeader.Write(head, flow.DestinationPort, flow.SourcePort, payload.Length);
        if (SendMessage(flow.Destination, flow.Source, IpProtocol.Udp, head, payload, UdpHeader.ChecksumOffset))
            Counters.DatagramsOut++;
    }

    /// <summary>Tells the local program that its datagram could not be delivered; its next call on the socket fails with the reason.</summary>
    public void SendUnreachable(in FlowKey flow, RefusalReason reason, long now)
    {
        Now = now;
        Span<byte> start = stackalloc byte[UdpHeader.Size];
        UdpHeader.Write(start, flow.SourcePort, flow.DestinationPort, 0);
        SendUnreachable(flow.Source, flow.Destination, IpProtocol.Udp, start, reason);
    }

    /// <summary>Tells the pinging program that the address cannot be reached.</summary>
    public void SendUnreachable(in EchoRequest request, RefusalReason reason, long now)
    {
        Now = now;
        bool v4 = request.Source.IsIPv4;
        Span<byte> start = stackalloc byte[IcmpHeader.Size];
        uint rest = (uint)request.Identifier << 16 | request.Sequence;
        IcmpHeader.Write(start, v4 ? IcmpHeader.EchoRequestV4 : IcmpHeader.EchoRequestV6, 0, rest);
        SendUnreachable(request.Source, request.Destination, v4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, start, reason);
    }

    /// <summary>Answers an echo request.</summary>
    public void ReplyEcho(in EchoRequest request, long now)
    {
        Now = now;
        bool v4 = request.Source.IsIPv4;
        if (request.Payload.Length > 65_507)
        {
            Counters.DatagramsDropped++;
            return;
        }
        Span<byte> head = stackalloc byte[IcmpHeader.Size];
        uint rest = (uint)request.Identifier << 16 | request.Sequence;
        IcmpHeader.Write(head, v4 ? IcmpHeader.EchoReplyV4 : IcmpHeader.EchoReplyV6, 0, rest);
        SendMessage(
            request.Destination, request.Source, v4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, head, request.Payload, IcmpHeader.ChecksumOffset);
    }

    /// <summary>An ICMP error about a packet of which only the addresses and the start of the transport header are known any more.</summary>
    private void SendUnreachable(
        in NetAddress source, in NetAddress destination, byte protocol, ReadOnlySpan<byte> transport, RefusalReason reason)
    {
        if (reason == RefusalReason.Timeout)
            return;
        bool v4 = source.IsIPv4;
        Span<byte> quote = stackalloc byte[IPv6Header.Size + TcpHeader.MinimumSize];
        int length = v4
            ? IPv4Header.Write(quote, source.IPv4, destination.IPv4, protocol, transport.Length)
            : IPv6Header.Write(quote, source, destination, protocol, transport.Length);
        transport.CopyTo(quote[length..]);
        // RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1.
        byte code = (reason, v4) switch
        {
            (RefusalReason.NetUnreachable, _) => 0,
            (RefusalReason.HostUnreachable, true) => 1,
            (RefusalReason.HostUnreachable, false) => 3,
            (RefusalReason.AdminProhibited, true) => 13,
            (RefusalReason.AdminProhibited, false) => 1,
            (_, true) => 3,
            (_, false) => 4,
        };
        SendError(source, destination, v4 ? IcmpHeader.UnreachableV4 : IcmpHeader.UnreachableV6, code, 0, quote[..(length + transport.Length)]);
    }

    /// <summary>Refuses a protocol that is not carried, with as much of the packet as an error may quote (RFC 1812 §4.3.2.3, RFC 4443 §2.4 c).</summary>
    private void RefuseProtocol(in NetAddress source, in NetAddress destination, ReadOnlySpan<byte> packet, int nextHeaderOffset)
    {
        if (!_refusals.TryTake(Now))
            return;
        if (source.IsIPv4)
            SendError(source, destination, IcmpHeader.UnreachableV4, 2, 0, packet[..Math.Min(packet.Length, 576 - 28)]);
        else
            SendError(source, destination, IcmpHeader.ParameterProblemV6, 1, (uint)nextHeaderOffset, packet[..Math.Min(packet.Length, 1280 - 48)]);
    }

    private void SendError(in NetAddress source, in NetAddress destination, byte type, byte code, uint rest, ReadOnlySpan<byte> quote)
    {
        Span<byte> head = stackalloc byte[IcmpHeader.Size];
        IcmpHeader.Write(head, type, code, rest);
        // From the address that was dialed, as the host itself would say it: it is the one address known to be routed here.
        if (SendMessage(destination, source, source.IsIPv4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, head, quote, IcmpHeader.ChecksumOffset))
            Counters.UnreachablesOut++;
    }
}
