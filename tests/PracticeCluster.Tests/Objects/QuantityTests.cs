using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Tests.Objects;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("1", "1000m")]
    [InlineData("0.5", "500m")]
    [InlineData("1Ki", "1024")]
    [InlineData("1.5Gi", "1536Mi")]
    [InlineData("2e3", "2k")]
    [InlineData("100n", "0.1u")]
    public void Equal_amounts_are_equal_however_they_are_written(string a, string b)
    {
        Assert.True(Quantity.TryParse(a, out var x));
        Assert.True(Quantity.TryParse(b, out var y));
        Assert.Equal(x, y);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("1Zi")]
    [InlineData("--1")]
    [InlineData(null)]
    public void What_is_not_a_quantity_is_refused(string? text) => Assert.False(Quantity.TryParse(text, out _));

    [Theory]
    [InlineData("1500m", "1500m")]
    [InlineData("2000m", "2")]
    [InlineData("1024Ki", "1Mi")]
    [InlineData("0", "0")]
    public void Text_is_canonical(string text, string canonical)
    {
        Assert.True(Quantity.TryParse(text, out var q));
        Assert.Equal(canonical, q.ToString());
    }

    [Fact]
    public void Sums_are_exact()
    {
        Assert.True(Quantity.TryParse("0.1", out var tenth));
        var sum = Quantity.Zero;
        for (var i = 0; i < 10; i++) sum += tenth;
        Assert.Equal(Quantity.Of(1), sum);
    }
}
