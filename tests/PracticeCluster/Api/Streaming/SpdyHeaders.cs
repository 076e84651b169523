using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>
/// Header blocks of one SPDY/3 connection, both directions. All blocks of a direction form one zlib stream (RFC 1950)
/// that starts from the SPDY dictionary. To read one with a decoder that takes no dictionary, the dictionary goes first,
/// as a stored block. What is written is stored uncompressed, each block closed by an empty one so that it can be read at once.
/// </summary>
internal sealed class SpdyHeaders : IDisposable
{
    private readonly Feed _feed = new();
    private readonly DeflateStream _inflate;
    private bool _read;
    private bool _written;

    public SpdyHeaders()
    {
        _inflate = new DeflateStream(_feed, CompressionMode.Decompress);
        _feed.Add(Stored(SpdyDictionary.Bytes));
        _inflate.ReadExactly(new byte[SpdyDictionary.Bytes.Length]);
    }

    /// <exception cref="InvalidDataException">Not a header block.</exception>
    public Dictionary<string, string> Read(ReadOnlySpan<byte> block)
    {
        if (!_read)
        {
            // CMF, FLG and, if FLG says so, the checksum of the dictionary.
            if (block.Length < 6) throw new InvalidDataException("header block without a zlib header");
            block = block[((block[1] & 0x20) != 0 ? 6 : 2)..];
            _read = true;
        }
        _feed.Add(block.ToArray());
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (var count = ReadLength(256); count > 0; count--)
        {
            var name = ReadText();
            headers[name] = ReadText();
        }
        return headers;
    }

    public byte[] Write(IReadOnlyDictionary<string, string> headers)
    {
        using var plain = new MemoryStream();
        void Length(int n)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(bytes, n);
            plain.Write(bytes);
        }
        Length(headers.Count);
        foreach (var (name, value) in headers)
        {
            Length(name.Length);
            plain.Write(Encoding.ASCII.GetBytes(name));
            Length(value.Length);
            plain.Write(Encoding.ASCII.GetBytes(value));
        }
        byte[] prefix = _written ? [] : [0x78, 0x01];
        _written = true;
        return [.. prefix, .. Stored(plain.ToArray()), .. Stored([])];
    }

    public void Dispose() => _inflate.Dispose();

    /// <summary>A stored deflate block, not the last (RFC 1951 section 3.2.4).</summary>
    private static byte[] Stored(byte[] data)
    {
        var n = (ushort)data.Length;
        return [0, (byte)n, (byte)(n >> 8), (byte)~n, (byte)(~n >> 8), .. data];
    }

    private string ReadText()
    {
        var bytes = new byte[ReadLength(16384)];
        _inflate.ReadExactly(bytes);
        return Encoding.ASCII.GetString(bytes);
    }

    private int ReadLength(int most)
    {
        Span<byte> bytes = stackalloc byte[4];
        _inflate.ReadExactly(bytes);
        var n = BinaryPrimitives.ReadInt32BigEndian(bytes);
        return n >= 0 && n <= most ? n : throw new InvalidDataException("length in a header block out of range");
    }

    /// <summary>Compressed bytes that have arrived and are not yet read.</summary>
    private sealed class Feed : Stream
    {
        private readonly Queue<byte[]> _blocks = new();
        private int _offset;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Add(byte[] block) => _blocks.Enqueue(block);

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            if (!_blocks.TryPeek(out var block)) return 0;
            var n = Math.Min(buffer.Length, block.Length - _offset);
            block.AsSpan(_offset, n).CopyTo(buffer);
            _offset += n;
            if (_offset < block.Length) return n;
            _blocks.Dequeue();
            _offset = 0;
            return n;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
