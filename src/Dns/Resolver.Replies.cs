using Telepresence.Dns.Cache;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <content>What clients get.</content>
public sealed partial class Resolver
{
    private const int MaxMessage = ushort.MaxValue;
    private const int MinUdpSize = 512;

    private readonly byte[] _answer = new byte[MaxMessage];
    private readonly byte[] _reply = new byte[MaxMessage + DnsReply.MaxSize];

    private void ReplyHeaderOnly(ReadOnlySpan<byte> query, in DnsClientToken client, int rcode) =>
        _transport.Reply(client, _reply.AsSpan(0, DnsReply.WriteHeaderOnly(query, rcode, _reply)), DnsOrigin.Resolver);

    private void ReplyEmpty(in DnsQuery query, in DnsEdns edns, in DnsClientToken client, int rcode) =>
        _transport.Reply(client, _reply.AsSpan(0, DnsReply.WriteEmpty(query, edns, rcode, _reply)), DnsOrigin.Resolver);

    private void ReplyLoopback(in DnsQuery query, in DnsEdns edns, in DnsClientToken client) =>
        _transport.Reply(client, _reply.AsSpan(0, DnsReply.WriteLoopback(query, edns, _reply)), DnsOrigin.Resolver);

    private void ReplyEmpty(Lookup lookup, int rcode, LookupStep? because)
    {
        var length = DnsReply.WriteEmpty(Question(lookup), lookup.Edns, rcode, _reply);
        _transport.Reply(lookup.Client, _reply.AsSpan(0, length), because is null ? DnsOrigin.Resolver : OriginOf(lookup, because));
    }

    /// <summary>Passes on the answer of a step, under the client's identifier and name, TTLs counted down, cut to the client's limit.</summary>
    private void ReplyFrom(Lookup lookup, LookupStep step, long now)
    {
        var exchange = step.Exchange!;
        var message = _answer.AsSpan(0, exchange.MessageLength);
        _table.Load(exchange, message);
        var query = Question(lookup);
        var found = DnsQuery.Parse(message);
        var age = (uint)((now - exchange.StoredAt) / 1_000_000);
        var ttl = AnswerReading.CountDown(message, found.QuestionEnd, age);
        if (age > 0) DnsHeader.SetFlags(message, found.Header.Flags & ~DnsHeader.Authoritative);

        ReadOnlySpan<byte> reply;
        if (step.Suffix == LookupStep.NoSuffix && lookup.Target is null)
        {
            DnsHeader.SetId(message, query.Header.Id);
            query.Name.CopyTo(message[DnsHeader.Size..]);
            reply = message;
        }
        else
        {
            var length = DnsAliasReply.Write(query, found, ttl, _reply);
            if (length is 0 or > MaxMessage)
            {
                ReplyEmpty(lookup, DnsRcode.ServFail, null);
                return;
            }
            reply = _reply.AsSpan(0, length);
        }
        var limit = lookup.Client.IsTcp ? MaxMessage : UdpLimit(lookup);
        if (reply.Length > limit)
        {
            Counters.Truncated++;
            reply = _reply.AsSpan(0, DnsReply.WriteTruncated(query, lookup.Edns, found.Header.Flags, _reply));
        }
        _transport.Reply(lookup.Client, reply, OriginOf(lookup, step));
    }

    /// <summary>RFC 6891 §6.2.3: values below 512 count as 512.</summary>
    private static int UdpLimit(Lookup lookup) => lookup.Edns.IsPresent
        ? Math.Clamp((int)lookup.Edns.UdpSize, MinUdpSize, Math.Max((int)lookup.Client.MaxUdpSize, MinUdpSize))
        : MinUdpSize;

    private static DnsOrigin OriginOf(Lookup lookup, LookupStep step)
    {
        if (step.Place == Place.Local) return DnsOrigin.Local;
        var isOwn = step.Suffix == LookupStep.NoSuffix ? lookup.StepCount == 1 : lookup.Rules.IsClusterSearch(step.Suffix);
        return isOwn ? DnsOrigin.Cluster : DnsOrigin.Outside;
    }
}
