using System.Buffers.Binary;

namespace Telepresence.Dns.Wire;

/// <summary>
/// Walks over the records behind the question section. Each step checks that the record lies inside the message; the accessors of a
/// record that was reached cannot fail.
/// </summary>
internal ref struct DnsRecordReader
{
    private readonly ReadOnlySpan<byte> _message;
    private readonly int _answers;
    private readonly int _authorities;
    private readonly int _count;
    private int _index;
    private int _next;

    /// <param name="message">A message of at least a header.</param>
    /// <param name="start">Offset of the first record: the end of the question section.</param>
    public DnsRecordReader(ReadOnlySpan<byte> message, int start)
    {
        _message = message;
        var header = new DnsHeader(message);
        _answers = header.Answers;
        _authorities = header.Authorities;
        _count = _answers + _authorities + header.Additionals;
        _next = start;
    }

    /// <summary>Offset of the owner name.</summary>
    public int NameOffset { get; private set; }

    /// <summary>Offset behind the owner name, where type, class, TTL and length stand.</summary>
    public int FixedOffset { get; private set; }

    /// <summary>A record left the message; the walk ended there.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Offset behind the last record that was reached.</summary>
    public readonly int Position => _next;

    public readonly ushort Type => BinaryPrimitives.ReadUInt16BigEndian(_message[FixedOffset..]);

    /// <summary>Class; for OPT the sender's UDP size.</summary>
    public readonly ushort Class => BinaryPrimitives.ReadUInt16BigEndian(_message[(FixedOffset + 2)..]);

    public readonly int TtlOffset => FixedOffset + 4;

    public readonly uint Ttl => BinaryPrimitives.ReadUInt32BigEndian(_message[TtlOffset..]);

    public readonly int DataOffset => FixedOffset + 10;

    public readonly int DataLength => BinaryPrimitives.ReadUInt16BigEndian(_message[(FixedOffset + 8)..]);

    public readonly ReadOnlySpan<byte> Data => _message.Slice(DataOffset, DataLength);

    public readonly bool IsAnswer => _index <= _answers;

    public readonly bool IsAuthority => _index > _answers && _index <= _answers + _authorities;

    public bool MoveNext()
    {
        if (_index >= _count || IsMalformed) return false;
        var behindName = DnsName.Skip(_message, _next);
        if (behindName < 0 || behindName + 10 > _message.Length) return Fail();
        var length = BinaryPrimitives.ReadUInt16BigEndian(_message[(behindName + 8)..]);
        if (behindName + 10 + length > _message.Length) return Fail();
        NameOffset = _next;
        FixedOffset = behindName;
        _next = behindName + 10 + length;
        _index++;
        return true;
    }

    private bool Fail()
    {
        IsMalformed = true;
        return false;
    }
}
