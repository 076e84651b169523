namespace Telepresence.Dns.Wire;

/// <summary>Response codes of the header (RFC 1035 §4.1.1).</summary>
public static class DnsRcode
{
    /// <summary>No error.</summary>
    public const int NoError = 0;

    /// <summary>The question could not be understood.</summary>
    public const int FormErr = 1;

    /// <summary>The server failed.</summary>
    public const int ServFail = 2;

    /// <summary>The name does not exist.</summary>
    public const int NxDomain = 3;

    /// <summary>That kind of question is not supported.</summary>
    public const int NotImp = 4;

    /// <summary>The server does not want to answer.</summary>
    public const int Refused = 5;
}
