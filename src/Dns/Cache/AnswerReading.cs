using System.Buffers.Binary;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Cache;

/// <summary>What is read from an upstream answer: its meaning and how long it may be kept (RFC 2308 §5 for negative ones).</summary>
internal readonly struct AnswerReading
{
    public AnswerKind Kind { get; private init; }

    /// <summary>Seconds; 0: do not keep.</summary>
    public uint Ttl { get; private init; }

    /// <summary>Reads a whole answer; false if a record leaves the message.</summary>
    public static bool TryRead(in DnsQuery answer, out AnswerReading reading)
    {
        reading = default;
        var smallest = uint.MaxValue;
        var negative = 0u;
        var extendedRcode = 0u;
        var hasType = false;
        var records = new DnsRecordReader(answer.Message, answer.QuestionEnd);
        while (records.MoveNext())
        {
            if (records.Type == DnsType.Opt)
            {
                extendedRcode = records.Ttl >> 24;
                continue;
            }
            // A TTL with the top bit set counts as zero (RFC 2181 §8).
            var ttl = records.Ttl > int.MaxValue ? 0 : records.Ttl;
            smallest = Math.Min(smallest, ttl);
            if (records.IsAnswer) hasType |= records.Type == answer.Type || answer.Type == DnsType.Any;
            if (records.IsAuthority && records.Type == DnsType.Soa && records.DataLength >= 20)
                negative = Math.Min(ttl, BinaryPrimitives.ReadUInt32BigEndian(records.Data[^4..]));
        }
        if (records.IsMalformed) return false;
        var kind = (extendedRcode, answer.Header.Rcode) switch
        {
            (0, DnsRcode.NoError) => hasType ? AnswerKind.Positive : AnswerKind.NoData,
            (0, DnsRcode.NxDomain) => AnswerKind.NxDomain,
            _ => AnswerKind.Failed,
        };
        var keep = kind switch
        {
            AnswerKind.Positive => smallest,
            AnswerKind.NoData or AnswerKind.NxDomain => Math.Min(smallest, negative),
            _ => 0u,
        };
        reading = new AnswerReading { Kind = kind, Ttl = keep };
        return true;
    }

    /// <summary>Counts the time to live of each record down.</summary>
    /// <param name="message">A well-formed answer.</param>
    /// <param name="start">End of its question section.</param>
    /// <param name="age">Seconds since it was received.</param>
    /// <returns>The smallest time to live that is left, 0 if there are no records.</returns>
    public static uint CountDown(Span<byte> message, int start, uint age)
    {
        var smallest = uint.MaxValue;
        var records = new DnsRecordReader(message, start);
        while (records.MoveNext())
        {
            if (records.Type == DnsType.Opt) continue;
            var ttl = records.Ttl > int.MaxValue ? 0 : records.Ttl;
            ttl = ttl > age ? ttl - age : 0;
            BinaryPrimitives.WriteUInt32BigEndian(message[records.TtlOffset..], ttl);
            smallest = Math.Min(smallest, ttl);
        }
        return smallest == uint.MaxValue ? 0 : smallest;
    }
}
