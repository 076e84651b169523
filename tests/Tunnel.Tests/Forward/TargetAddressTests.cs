using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class TargetAddressTests
{
    [Theory]
    [InlineData("10.96.0.10", 53, "04" + "0035" + "0a60000a")]
    [InlineData("fd00::1", 6379, "06" + "18eb" + "fd000000000000000000000000000001")]
    public void An_address_is_written_as_specified_and_read_back(string address, ushort port, string expected)
    {
        TargetAddress target = new(NetAddress.Parse(address), port);
        Assert.Equal(expected, Convert.ToHexStringLower(target.ToBytes()));
        Assert.True(TargetAddress.TryDecode(target.ToBytes(), out TargetAddress back));
        Assert.Equal(target, back);
    }

    [Fact]
    public void A_host_name_is_written_as_specified_and_read_back()
    {
        TargetAddress target = new("db_1.example.com", 5432);
        Assert.Equal("01" + "1538" + "64625f312e6578616d706c652e636f6d", Convert.ToHexStringLower(target.ToBytes()));
        Assert.True(TargetAddress.TryDecode(target.ToBytes(), out TargetAddress back));
        Assert.Equal(target, back);
        Assert.Equal("db_1.example.com:5432", back.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("04")]
    [InlineData("040035")]
    [InlineData("0400350a6000")]
    [InlineData("0400350a60000a00")]
    [InlineData("060035fd00")]
    [InlineData("010035")]
    [InlineData("0100356120")]
    [InlineData("01003561ff")]
    [InlineData("0900350a60000a")]
    public void Malformed_bytes_are_refused(string hex) => Assert.False(TargetAddress.TryDecode(Convert.FromHexString(hex), out _));

    [Fact]
    public void A_name_longer_than_DNS_allows_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new TargetAddress(new string('a', 254), 1));
        byte[] longest = new TargetAddress(new string('a', 253), 1).ToBytes();
        Assert.Equal(TargetAddress.MaxLength, longest.Length);
        Assert.False(TargetAddress.TryDecode([.. longest, (byte)'a'], out _));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        Random random = new(1);
        byte[] bytes = new byte[300];
        for (int i = 0; i < 100_000; i++)
        {
            random.NextBytes(bytes);
            bytes[0] = (byte)(i % 8);
            if (TargetAddress.TryDecode(bytes.AsSpan(0, random.Next(bytes.Length)), out TargetAddress target))
                Assert.True(target.ToBytes().Length <= TargetAddress.MaxLength);
        }
    }
}
