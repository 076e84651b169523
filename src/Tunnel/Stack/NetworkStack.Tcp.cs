using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Stack;

// Which connection a segment belongs to; new ones; those in TIME-WAIT; those that nobody knows.
public sealed partial class NetworkStack
{
    private void ReceiveTcp(in NetAddress source, in NetAddress destination, ReadOnlySpan<byte> bytes, bool trusted)
    {
        if (!TcpHeader.TryParse(bytes, out TcpHeader segment))
        {
            Counters.Malformed++;
            return;
        }
        if (!trusted && !IsChecksumValid(source, destination, IpProtocol.Tcp, bytes))
        {
            Counters.BadChecksum++;
            return;
        }
        FlowKey flow = new(source, segment.SourcePort, destination, segment.DestinationPort);
        TcpConnection? connection = _recent;
        if (connection is null || connection.Flow != flow)
        {
            if (!_connections.TryGetValue(flow, out connection))
            {
                ReceiveUnknown(flow, segment);
                return;
            }
            _recent = connection;
        }
        if (IsPlainSyn(segment) && connection.IsHalfOpen && !connection.IsOpenedBy(segment.Sequence))
        {
            // The program gave up, and its port was taken for a new attempt while we were still dialing for the old one.
            connection.Supersede(Now);
            Open(flow, segment);
            return;
        }
        connection.OnSegment(segment, Now);
    }

    private static bool IsPlainSyn(in TcpHeader segment) =>
        (segment.Flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin)) == TcpFlags.Syn;

    private void ReceiveUnknown(in FlowKey flow, in TcpHeader segment)
    {
        if (TimeWait.TryGet(flow, Now, out TimeWaitTable.Entry entry))
        {
            // RFC 9293 §3.10.7.4 and RFC 6191: a SYN beyond the old connection's numbers opens a new one.
            if (!IsPlainSyn(segment) || (int)(segment.Sequence - entry.ReceiveNext) < 0)
            {
                ReceiveInTimeWait(flow, segment, entry);
                return;
            }
            TimeWait.Remove(flow);
        }
        if (IsPlainSyn(segment))
            Open(flow, segment);
        else if (segment.Has(TcpFlags.Rst))
            Counters.Ignored++;
        else if (segment.Has(TcpFlags.Ack))
            SendReset(flow, segment.Acknowledgment, 0, withAck: false);
        else
            SendReset(flow, 0, segment.Sequence + (uint)segment.SequenceLength, withAck: true);
    }

    private void ReceiveInTimeWait(in FlowKey flow, in TcpHeader segment, in TimeWaitTable.Entry entry)
    {
        if (segment.Has(TcpFlags.Rst))
        {
            if (segment.Sequence == entry.ReceiveNext)
                TimeWait.Remove(flow);
        }
        else if (segment.SequenceLength > 0 || segment.Sequence != entry.ReceiveNext)
        {
            SendSegment(flow, TcpFlags.Ack, entry.SendNext, entry.ReceiveNext, ushort.MaxValue, default);
        }
    }

    private void Open(in FlowKey flow, in TcpHeader syn)
    {
        if (flow.SourcePort == 0 || flow.DestinationPort == 0)
        {
            Counters.Malformed++;
            return;
        }
        if (HalfOpen >= Options.MaxHalfOpen || _connections.Count >= Options.MaxConnections)
        {
            Counters.SynsDropped++;
            return;
        }
        // RFC 6528: a clock that ticks every 4 µs, moved by a keyed hash of the four-tuple.
        uint iss = (uint)(Now / 4) + (uint)flow.Hash(_sequenceSecret);
        TcpConnection connection = new(this, flow, syn, iss, Now);
        _connections.Add(flow, connection);
        _recent = connection;
        HalfOpen++;
        Counters.ConnectionsOpened++;
        connection.StartTimer();
        _handler.OnTcpOpen(connection, Now);
    }

    /// <summary>An ICMP error for the SYN with sequence number <paramref name="sequence"/>, which the local kernel turns into connect()'s errno.</summary>
    internal void SendTcpUnreachable(in FlowKey flow, uint sequence, RefusalReason reason)
    {
        Span<byte> start = stackalloc byte[TcpHeader.MinimumSize];
        TcpHeader.Write(start, flow.SourcePort, flow.DestinationPort, sequence, 0, TcpFlags.Syn, 0);
        SendUnreachable(flow.Source, flow.Destination, IpProtocol.Tcp, start, reason);
    }
}
