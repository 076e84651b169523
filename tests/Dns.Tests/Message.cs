using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Tests;

/// <summary>Writes and reads whole messages for the tests, independently of the code under test (names apart).</summary>
internal static class Message
{
    public static ushort TypeOf(string type) => type switch
    {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "NAPTR" => 35,
        "ANY" => 255,
        _ => ushort.Parse(type, CultureInfo.InvariantCulture),
    };

    public static byte[] Query(string name, string type = "A", ushort id = 0x1234, int? edns = null, uint ednsFlags = 0, byte[]? options = null, int flags = 0x0100)
    {
        var bytes = new List<byte>();
        Put16(bytes, id);
        Put16(bytes, flags);
        Put16(bytes, 1);
        Put16(bytes, 0);
        Put16(bytes, 0);
        Put16(bytes, edns is null ? 0 : 1);
        PutName(bytes, name);
        Put16(bytes, TypeOf(type));
        Put16(bytes, 1);
        if (edns is { } size) PutOpt(bytes, size, ednsFlags, options ?? []);
        return [.. bytes];
    }

    /// <summary>
    /// The answer to <paramref name="query"/>; records as text "owner ttl type data", behind "--" in the authority section. An owner equal
    /// to the question's is written as a pointer to it, and so is every data name below it; others in full.
    /// </summary>
    public static byte[] Answer(ReadOnlySpan<byte> query, int rcode, params string[] records) => Answer(query, rcode, 0x8180, records);

    public static byte[] Answer(ReadOnlySpan<byte> query, int rcode, int flags, string[] records)
    {
        var bytes = new List<byte>();
        var questionEnd = 12 + DnsName.UncompressedLength(query, 12) + 4;
        bytes.AddRange(query[..2]);
        Put16(bytes, flags | rcode);
        Put16(bytes, 1);
        var authority = Array.IndexOf(records, "--");
        var answers = authority < 0 ? records.Length : authority;
        Put16(bytes, answers);
        Put16(bytes, authority < 0 ? 0 : records.Length - authority - 1);
        var hasOpt = query[11] == 1;
        Put16(bytes, hasOpt ? 1 : 0);
        bytes.AddRange(query[12..questionEnd]);
        var question = Name(query, 12);
        foreach (var record in records)
            if (record != "--")
                PutRecord(bytes, question, record.Split(' '));
        if (hasOpt) PutOpt(bytes, 1232, 0, []);
        return [.. bytes];
    }

    public static string Name(ReadOnlySpan<byte> message, int offset)
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        var length = DnsName.Expand(message, offset, name);
        Assert.NotEqual(0, length);
        return DnsName.ToText(name[..length]);
    }

    public static string Question(ReadOnlySpan<byte> message)
    {
        var at = DnsName.Skip(message, 12);
        return $"{Name(message, 12)} {TypeText(BinaryPrimitives.ReadUInt16BigEndian(message[at..]))}";
    }

    public static int Rcode(ReadOnlySpan<byte> message) => message[3] & 0xF;

    public static ushort Id(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16BigEndian(message);

    public static bool IsTruncated(ReadOnlySpan<byte> message) => (message[2] & 2) != 0;

    /// <summary>All records but OPT, as text, names expanded.</summary>
    public static string[] Records(ReadOnlySpan<byte> message)
    {
        var texts = new List<string>();
        var records = new DnsRecordReader(message, DnsName.Skip(message, 12) + 4);
        while (records.MoveNext())
        {
            if (records.Type == DnsType.Opt) continue;
            var data = records.Type switch
            {
                1 or 28 => new IPAddress(records.Data).ToString(),
                2 or 5 or 12 => Name(message, records.DataOffset),
                6 => $"{Name(message, records.DataOffset)} {Name(message, DnsName.Skip(message, records.DataOffset))}",
                15 => Name(message, records.DataOffset + 2),
                33 => $"{BinaryPrimitives.ReadUInt16BigEndian(records.Data[4..])} {Name(message, records.DataOffset + 6)}",
                _ => Convert.ToHexStringLower(records.Data),
            };
            texts.Add($"{Name(message, records.NameOffset)} {records.Ttl} {TypeText(records.Type)} {data}");
        }
        Assert.False(records.IsMalformed);
        return [.. texts];
    }

    public static bool HasOpt(ReadOnlySpan<byte> message)
    {
        var records = new DnsRecordReader(message, DnsName.Skip(message, 12) + 4);
        while (records.MoveNext())
            if (records.Type == DnsType.Opt)
                return true;
        return false;
    }

    public static void Put16(List<byte> bytes, int value)
    {
        bytes.Add((byte)(value >> 8));
        bytes.Add((byte)value);
    }

    public static void PutName(List<byte> bytes, string name)
    {
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            bytes.Add((byte)label.Length);
            foreach (var c in label) bytes.Add((byte)c);
        }
        bytes.Add(0);
    }

    private static void PutOpt(List<byte> bytes, int size, uint flags, byte[] options)
    {
        bytes.Add(0);
        Put16(bytes, 41);
        Put16(bytes, size);
        Put16(bytes, (int)(flags >> 16));
        Put16(bytes, (int)flags & 0xFFFF);
        Put16(bytes, options.Length);
        bytes.AddRange(options);
    }

    private static void PutRecord(List<byte> bytes, string question, string[] words)
    {
        PutMaybePointer(bytes, question, words[0]);
        Put16(bytes, TypeOf(words[2]));
        Put16(bytes, 1);
        var ttl = uint.Parse(words[1], CultureInfo.InvariantCulture);
        Put16(bytes, (int)(ttl >> 16));
        Put16(bytes, (int)ttl & 0xFFFF);
        var lengthAt = bytes.Count;
        Put16(bytes, 0);
        switch (words[2])
        {
            case "A" or "AAAA":
                bytes.AddRange(IPAddress.Parse(words[3]).GetAddressBytes());
                break;
            case "CNAME" or "NS" or "PTR":
                PutMaybePointer(bytes, question, words[3]);
                break;
            case "SOA": // SOA minimum
                PutMaybePointer(bytes, question, "ns.dns." + words[0]);
                PutMaybePointer(bytes, question, "hostmaster." + words[0]);
                for (var i = 0; i < 4; i++) Put32(bytes, 1000);
                Put32(bytes, uint.Parse(words[3], CultureInfo.InvariantCulture));
                break;
            case "MX":
                Put16(bytes, 10);
                PutMaybePointer(bytes, question, words[3]);
                break;
            case "SRV":
                Put16(bytes, 0);
                Put16(bytes, 100);
                Put16(bytes, int.Parse(words[3], CultureInfo.InvariantCulture));
                PutMaybePointer(bytes, question, words[4]);
                break;
            default: // text of the length given
                var length = int.Parse(words[3], CultureInfo.InvariantCulture);
                for (var i = 0; i < length; i++) bytes.Add((byte)'x');
                break;
        }
        var data = bytes.Count - lengthAt - 2;
        bytes[lengthAt] = (byte)(data >> 8);
        bytes[lengthAt + 1] = (byte)data;
    }

    private static void Put32(List<byte> bytes, uint value)
    {
        Put16(bytes, (int)(value >> 16));
        Put16(bytes, (int)(value & 0xFFFF));
    }

    /// <summary>The longest tail that is also a tail of the question's name becomes a pointer into it.</summary>
    private static void PutMaybePointer(List<byte> bytes, string question, string name)
    {
        var labels = name.Split('.');
        for (var i = 0; i < labels.Length; i++)
        {
            var tail = string.Join('.', labels[i..]);
            if (question == tail || question.EndsWith("." + tail, StringComparison.OrdinalIgnoreCase))
            {
                foreach (var label in labels[..i])
                {
                    bytes.Add((byte)label.Length);
                    foreach (var c in label) bytes.Add((byte)c);
                }
                Put16(bytes, 0xC000 | (12 + question.Length - tail.Length));
                return;
            }
        }
        PutName(bytes, name);
    }

    private static string TypeText(ushort type) => type switch
    {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        _ => type.ToString(CultureInfo.InvariantCulture),
    };
}
