using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Wire;

public class TransportTests
{
    // A SYN as Linux sends it: 40000 -> 80, MSS 1460, SACK permitted, timestamps, window scale 7.
    private const string LinuxSyn = "9c40005012345678" + "00000000a002faf0abcd0000" + "020405b40402080a0102030400000000" + "01030307";

    [Fact]
    public void A_SYN_as_Linux_sends_it_is_read_field_by_field()
    {
        Assert.True(TcpHeader.TryParse(Convert.FromHexString(LinuxSyn), out TcpHeader tcp));
        Assert.Equal((40_000, 80, 0x12345678u, 0u), (tcp.SourcePort, tcp.DestinationPort, tcp.Sequence, tcp.Acknowledgment));
        Assert.Equal((TcpFlags.Syn, 64_240, 40, 1), (tcp.Flags, tcp.Window, tcp.HeaderLength, tcp.SequenceLength));
        TcpOptions options = TcpOptions.Parse(tcp.Options);
        Assert.Equal((1_460, 7, true, 0), (options.MaximumSegmentSize, options.WindowShift, options.SackPermitted, options.SackBlockCount));
    }

    [Theory]
    [InlineData("")]
    [InlineData("9c40005012345678000000004002faf0abcd0000")] // header of 16 bytes
    [InlineData("9c40005012345678000000006002faf0abcd0000")] // options that are not there
    public void Impossible_TCP_lengths_are_refused(string hex) => Assert.False(TcpHeader.TryParse(Convert.FromHexString(hex), out _));

    [Fact]
    public void What_is_written_as_TCP_reads_back()
    {
        byte[] segment = new byte[43];
        Span<byte> options = stackalloc byte[12];
        int optionsLength = TcpOptions.WriteHandshake(options, 65_480, 4, true);
        Assert.Equal(32, TcpHeader.Write(segment, 1, 65_535, 0xfffffffe, 7, TcpFlags.Syn | TcpFlags.Ack, 1_234, optionsLength));
        options.CopyTo(segment.AsSpan(20));
        Assert.True(TcpHeader.TryParse(segment, out TcpHeader tcp));
        Assert.Equal((1, 65_535, 0xfffffffeu, 7u, 1_234, 11), (tcp.SourcePort, tcp.DestinationPort, tcp.Sequence, tcp.Acknowledgment, tcp.Window, tcp.Payload.Length));
        TcpOptions read = TcpOptions.Parse(tcp.Options);
        Assert.Equal((65_480, 4, true), (read.MaximumSegmentSize, read.WindowShift, read.SackPermitted));
    }

    [Theory]
    [InlineData("0204")] // cut
    [InlineData("0200ffff")] // length 0
    [InlineData("0201ffff")] // length 1
    [InlineData("02ff05b4")] // longer than the list
    [InlineData("0000020405b40000")] // behind the end
    [InlineData("0203ff00")] // MSS of the wrong length
    [InlineData("050a0000")] // SACK cut
    public void Broken_options_are_skipped(string hex)
    {
        TcpOptions options = TcpOptions.Parse(Convert.FromHexString(hex));
        Assert.Equal((0, -1, false, 0), (options.MaximumSegmentSize, options.WindowShift, options.SackPermitted, options.SackBlockCount));
    }

    [Fact]
    public void SACK_blocks_are_read_in_order_and_a_shift_above_14_means_14()
    {
        TcpOptions options = TcpOptions.Parse(Convert.FromHexString("0101" + "0512" + "00000001" + "00000002" + "fffffff0" + "00000010" + "03030f"));
        Assert.Equal(((1u, 2u), (0xfffffff0u, 16u), 2, 14), (options.SackBlock(0), options.SackBlock(1), options.SackBlockCount, options.WindowShift));
    }

    [Fact]
    public void A_UDP_datagram_ends_where_its_length_says()
    {
        Assert.True(UdpHeader.TryParse(Convert.FromHexString("003514e9000b0000" + "616263" + "ffff"), out UdpHeader udp));
        Assert.Equal((53, 5_353, 3, false), (udp.SourcePort, udp.DestinationPort, udp.Payload.Length, udp.HasChecksum));
        Assert.False(UdpHeader.TryParse(Convert.FromHexString("003514e900070000"), out _));
        Assert.False(UdpHeader.TryParse(Convert.FromHexString("003514e900090000"), out _));
        Assert.False(UdpHeader.TryParse(new byte[7], out _));
        byte[] written = new byte[8];
        UdpHeader.Write(written, 53, 5_353, 3);
        Assert.Equal("003514E9000B0000", Convert.ToHexString(written));
    }

    [Fact]
    public void An_echo_request_is_read_and_written()
    {
        byte[] message = new byte[12];
        IcmpHeader.Write(message, IcmpHeader.EchoRequestV6, 0, 0x1234_0007);
        Assert.Equal("800000001234000700000000", Convert.ToHexString(message));
        Assert.True(IcmpHeader.TryParse(message, out IcmpHeader icmp));
        Assert.Equal((128, 0, 0x1234, 7, 4), (icmp.Type, icmp.Code, icmp.Identifier, icmp.Sequence, icmp.Data.Length));
        Assert.False(IcmpHeader.TryParse(new byte[7], out _));
    }

    [Fact]
    public void The_virtio_net_header_has_the_layout_of_the_kernel()
    {
        byte[] bytes = new byte[10];
        var header = new VirtioNetHeader(VirtioNetHeader.NeedsChecksum, VirtioNetHeader.GsoTcpV6, 60, 1_440, 40, 16);
        header.Write(bytes);
        Assert.Equal("01043C00A00528001000", Convert.ToHexString(bytes)); // little-endian machine
        Assert.True(VirtioNetHeader.TryRead(bytes, out VirtioNetHeader read));
        Assert.Equal(header, read);
        Assert.True(read.ChecksumTrusted && read.IsGso);
        Assert.False(VirtioNetHeader.TryRead(bytes.AsSpan(0, 9), out _));
    }
}
