using System.Buffers.Binary;

using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>
/// Pings one address through an unprivileged ping socket (icmp(7), SOCK_DGRAM): sends on each <see cref="EchoMessage"/> of its stream as
/// an ICMP or ICMPv6 echo request, and each reply back.
/// </summary>
/// <remarks>
/// The kernel chooses a ping socket's identifier and only hands it replies that carry it. So requests go out under a sequence number
/// of our own, and the identifier and sequence that the program used are put back from a table of the last <see cref="Remembered"/> requests.
/// </remarks>
internal sealed class EchoProber : DatagramFlow
{
    private const int Remembered = 1024, IcmpHeaderLength = 8, MaxPayload = 65_507 - IcmpHeaderLength;
    private const int SequenceAt = 6;
    private const byte EchoReply = 0, EchoRequest = 8, EchoRequestV6 = 128, EchoReplyV6 = 129;

    private readonly Request[] _requests = new Request[Remembered];
    private readonly byte[] _scratch;
    private readonly byte _requestType;
    private readonly byte _replyType;
    private ushort _sequence;

    internal EchoProber(DatagramDialer dialer, FileDescriptor socket, MuxStream stream, bool isIPv4, long now)
        : base(dialer, socket, stream, now)
    {
        _scratch = dialer.Scratch;
        _requestType = isIPv4 ? EchoRequest : EchoRequestV6;
        _replyType = isIPv4 ? EchoReply : EchoReplyV6;
    }

    private protected override void SendOut(ReadOnlySpan<byte> datagram, long now)
    {
        if (!EchoMessage.TryParse(datagram, out EchoMessage message) || message.Payload.Length > MaxPayload)
            return;
        ushort sequence = _sequence++;
        _requests[sequence % Remembered] = new Request(true, sequence, message.Identifier, message.Sequence);

        // The kernel fills in the identifier and the checksum.
        Span<byte> icmp = _scratch.AsSpan(0, IcmpHeaderLength + message.Payload.Length);
        icmp[..IcmpHeaderLength].Clear();
        icmp[0] = _requestType;
        BinaryPrimitives.WriteUInt16BigEndian(icmp[SequenceAt..], sequence);
        message.Payload.CopyTo(icmp[IcmpHeaderLength..]);
        Send(icmp, now);
    }

    private protected override void OnReceived(ReadOnlySpan<byte> datagram, long now)
    {
        if (datagram.Length < IcmpHeaderLength || datagram[0] != _replyType)
            return;
        ushort sequence = BinaryPrimitives.ReadUInt16BigEndian(datagram[SequenceAt..]);
        Request request = _requests[sequence % Remembered];
        if (!request.Sent || request.OwnSequence != sequence)
            return;
        // A reply may be longer than its request, but an EchoMessage's header is shorter than that of ICMP: what was received fits.
        int length = EchoMessage.Write(_scratch, request.Identifier, request.Sequence, datagram[IcmpHeaderLength..]);
        Stream.WriteDatagram(_scratch.AsSpan(0, length), now);
    }

    private readonly record struct Request(bool Sent, ushort OwnSequence, ushort Identifier, ushort Sequence);
}
