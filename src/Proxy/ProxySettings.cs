using System.Globalization;

namespace Telepresence.Proxy;

/// <summary>What the pod's spec tells the proxy, through environment variables.</summary>
/// <param name="Port">TELEPRESENCE_PORT: the loopback port that the port-forward reaches; 7700.</param>
/// <param name="KeyHash">TELEPRESENCE_KEY_HASH: SHA-256 of the session key, 64 hex digits. The key itself never stands in a spec. Null when not set: the first client's key is the one.</param>
/// <param name="SessionTimeout">TELEPRESENCE_SESSION_TIMEOUT: for how many seconds a session waits for its client to come back; 900. In microseconds here.</param>
/// <param name="Restore">TELEPRESENCE_RESTORE: what this pod stands in for, as JSON (<see cref="RestoreOrder"/>); null when for nothing.</param>
internal sealed record ProxySettings(ushort Port, byte[]? KeyHash, long SessionTimeout, RestoreOrder? Restore = null)
{
    internal const string PortVariable = "TELEPRESENCE_PORT", KeyHashVariable = "TELEPRESENCE_KEY_HASH",
        SessionTimeoutVariable = "TELEPRESENCE_SESSION_TIMEOUT", RestoreVariable = "TELEPRESENCE_RESTORE";

    private const int DefaultPort = 7700, DefaultSessionTimeoutSeconds = 900, KeyHashLength = 32;

    /// <summary>Reads the settings.</summary>
    /// <exception cref="FormatException">One sentence that names the variable and says what it must be.</exception>
    internal static ProxySettings Read(Func<string, string?> variable) => new(
        ReadPort(variable),
        ReadKeyHash(variable(KeyHashVariable)),
        1_000_000L * ReadNumber(variable(SessionTimeoutVariable), SessionTimeoutVariable, DefaultSessionTimeoutSeconds, 1, 7 * 24 * 3600),
        RestoreOrder.Parse(variable(RestoreVariable)));

    /// <summary>Reads the port alone; a probe needs no more.</summary>
    /// <exception cref="FormatException">As for <see cref="Read"/>.</exception>
    internal static ushort ReadPort(Func<string, string?> variable) =>
        (ushort)ReadNumber(variable(PortVariable), PortVariable, DefaultPort, 1, ushort.MaxValue);

    private static int ReadNumber(string? text, string name, int otherwise, int least, int most)
    {
        if (string.IsNullOrEmpty(text))
            return otherwise;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most)
            return value;
        throw new FormatException($"{name} is \"{text}\"; it must be a number from {least} to {most}.");
    }

    private static byte[]? ReadKeyHash(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        if (text is { Length: 2 * KeyHashLength } && text.All(char.IsAsciiHexDigit))
            return Convert.FromHexString(text);
        throw new FormatException($"{KeyHashVariable} must be the SHA-256 of the session key, {2 * KeyHashLength} hex digits, or not be set.");
    }
}
