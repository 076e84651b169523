using System.Buffers.Binary;

namespace Telepresence.Dns.Wire;

/// <summary>
/// Turns the answer to another name into the answer to the client's own: "helloworld" was asked, "helloworld.default.svc.cluster.local"
/// was found. Stub resolvers accept records of another owner only through an alias, so the reply says that the client's name is an
/// alias (CNAME) of the found one and then carries the found answer:
/// <code>
///   found answer:  header | found name, type, class                                            | records …
///   reply:         header | client's name, type, class | client's name CNAME found name        | records …
///                    12     12 + n + 4                    12 bytes, then the found name in full
/// </code>
/// Records stay byte for byte what they were, except for the compression pointers in them: one that pointed into the question's name
/// now points into the alias's data, where the same name stands, and one that pointed to a record moves along with it. That needs no
/// decompression, only knowledge of where names may stand in record data (RFC 1035 types and those that old servers compress,
/// RFC 3597 §4).
/// </summary>
internal static class DnsAliasReply
{
    private const int MaxPointer = 0x3FFF;

    /// <summary>
    /// Writes the reply; it is longer than the found answer by twelve bytes and the client's name, and <paramref name="destination"/>
    /// holds that.
    /// </summary>
    /// <returns>The length, or 0 if the answer is malformed or too large for pointers (16 KiB) to be moved.</returns>
    public static int Write(in DnsQuery client, in DnsQuery found, uint ttl, Span<byte> destination)
    {
        client.Message[..client.QuestionEnd].CopyTo(destination);
        var source = found.Header;
        DnsHeader.SetFlags(destination, source.Flags & ~DnsHeader.Authoritative);
        DnsHeader.SetCounts(destination, 1, source.Answers + 1, source.Authorities, source.Additionals);
        var at = DnsReply.WriteRecordHead(destination, client.QuestionEnd, DnsType.Cname, ttl, found.NameLength);
        var nameAt = at;
        found.Name.CopyTo(destination[at..]);
        at += found.NameLength;
        found.Message[found.QuestionEnd..].CopyTo(destination[at..]);
        var length = at + found.Message.Length - found.QuestionEnd;

        var move = new PointerMove(found.QuestionEnd, found.NameLength, nameAt - DnsHeader.Size, at - found.QuestionEnd);
        var records = new DnsRecordReader(found.Message, found.QuestionEnd);
        while (records.MoveNext())
        {
            var data = records.DataOffset;
            var end = data + records.DataLength;
            if (move.Name(found.Message, records.NameOffset, records.FixedOffset, destination) < 0) return 0;
            if (!MoveData(move, found.Message, records.Type, data, end, destination)) return 0;
        }
        return records.IsMalformed ? 0 : length;
    }

    private static bool MoveData(in PointerMove move, ReadOnlySpan<byte> message, ushort type, int data, int end, Span<byte> destination)
    {
        var (skip, names) = type switch
        {
            2 or 3 or 4 or 5 or 7 or 8 or 9 or 12 or 30 or 39 => (0, 1), // NS MD MF CNAME MB MG MR PTR NXT DNAME
            6 or 14 or 17 => (0, 2), // SOA MINFO RP
            15 or 18 or 21 or 36 => (2, 1), // MX AFSDB RT KX
            26 => (2, 2), // PX
            33 => (6, 1), // SRV
            24 => (18, 1), // SIG
            35 => (NaptrPrefix(message[data..end]), 1),
            _ => (0, 0),
        };
        var at = data + skip;
        for (; names > 0; names--)
        {
            at = at <= end ? move.Name(message, at, end, destination) : -1;
            if (at < 0) return false;
        }
        return true;
    }

    /// <summary>NAPTR (RFC 3403 §4.1): order, preference, three character strings, then the replacement name.</summary>
    private static int NaptrPrefix(ReadOnlySpan<byte> data)
    {
        var at = 4;
        for (var i = 0; i < 3 && at < data.Length; i++) at += data[at] + 1;
        return at;
    }

    /// <summary>Where pointers of the found answer lead in the reply.</summary>
    private readonly ref struct PointerMove(int questionEnd, int nameLength, int nameShift, int recordShift)
    {
        /// <summary>Patches the pointer, if there is one, of the name at <paramref name="at"/> of the found answer.</summary>
        /// <returns>The offset behind the name, or -1 if it leaves <paramref name="end"/> or points to where no name can be.</returns>
        public int Name(ReadOnlySpan<byte> message, int at, int end, Span<byte> destination)
        {
            while (at < end)
            {
                int label = message[at];
                if (label == 0) return at + 1;
                if (label < 64)
                {
                    at += label + 1;
                    continue;
                }
                if (label < 0xC0 || at + 2 > end) return -1;
                var target = BinaryPrimitives.ReadUInt16BigEndian(message[at..]) & MaxPointer;
                if (target >= at || target < DnsHeader.Size) return -1;
                if (target < DnsHeader.Size + nameLength) target += nameShift;
                else if (target >= questionEnd) target += recordShift;
                else return -1;
                if (target > MaxPointer) return -1;
                BinaryPrimitives.WriteUInt16BigEndian(destination[(at + recordShift)..], (ushort)(0xC000 | target));
                return at + 2;
            }
            return -1;
        }
    }
}
