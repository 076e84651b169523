namespace Telepresence.Proxy.Tests;

public sealed class ProxySettingsTests
{
    [Fact]
    public void Everything_has_a_default()
    {
        ProxySettings settings = Read(new() { ["TELEPRESENCE_KEY_HASH"] = new string('a', 64) });
        Assert.Equal(7700, settings.Port);
        Assert.Equal(900_000_000, settings.SessionTimeout);
        Assert.Equal(32, settings.KeyHash!.Length);
        Assert.Null(settings.Restore);
        Assert.Null(Read([]).KeyHash);
    }

    [Theory]
    [InlineData("TELEPRESENCE_KEY_HASH", "abc")]
    [InlineData("TELEPRESENCE_KEY_HASH", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")]
    [InlineData("TELEPRESENCE_PORT", "0")]
    [InlineData("TELEPRESENCE_PORT", "70000")]
    [InlineData("TELEPRESENCE_PORT", "http")]
    [InlineData("TELEPRESENCE_SESSION_TIMEOUT", "-1")]
    [InlineData("TELEPRESENCE_RESTORE", "yes")]
    [InlineData("TELEPRESENCE_RESTORE", "{}")]
    public void A_senseless_value_is_named(string name, string value)
    {
        Dictionary<string, string?> variables = new() { ["TELEPRESENCE_KEY_HASH"] = new string('a', 64), [name] = value };
        Assert.Contains(name, Assert.Throws<FormatException>(() => Read(variables)).Message, StringComparison.Ordinal);
    }

    private static ProxySettings Read(Dictionary<string, string?> variables) => ProxySettings.Read(name => variables.GetValueOrDefault(name));
}
