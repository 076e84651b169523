using Telepresence.PracticeCluster.Api.Streaming;

namespace Telepresence.PracticeCluster.Tests.Api;

public sealed class SpdyHeadersTests
{
    // Two blocks of one zlib stream with the SPDY dictionary, each ended by a sync flush, as zlib writes them.
    private const string First = "78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45a024cc64610024398b209198094adc8c0600000000ffff";
    private const string Second = "c2aa15540a2512d209000000ffff";

    [Fact]
    public void Reads_blocks_that_zlib_compressed_with_the_dictionary()
    {
        using var headers = new SpdyHeaders();
        Assert.Equal("error 80 0", Line(headers.Read(Convert.FromHexString(First))));
        Assert.Equal("data 80 0", Line(headers.Read(Convert.FromHexString(Second))));
    }

    [Fact]
    public void Reads_what_it_writes()
    {
        using var writer = new SpdyHeaders();
        using var reader = new SpdyHeaders();
        var block = new Dictionary<string, string> { ["streamtype"] = "stdin", ["port"] = "1", ["requestid"] = "2" };
        for (var i = 0; i < 3; i++) Assert.Equal("stdin 1 2", Line(reader.Read(writer.Write(block))));
    }

    [Fact]
    public void A_block_with_a_length_beyond_reason_is_refused()
    {
        using var headers = new SpdyHeaders();
        // A stored block that claims 2^31-1 headers.
        Assert.Throws<InvalidDataException>(() => headers.Read([0x78, 0x01, 0, 4, 0, 0xFB, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]));
    }

    private static string Line(Dictionary<string, string> headers) => $"{headers["streamtype"]} {headers["port"]} {headers["requestid"]}";
}
