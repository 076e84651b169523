using Telepresence.Dns.Cache;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <summary>
/// The name by which the resolver recognises its own question: sixteen random hexadecimal digits, a digit for the upstream, and a
/// domain that is reserved for examples (RFC 2606 §3), so that nobody's real name server is bothered below the top level.
/// </summary>
internal sealed class LoopProbe
{
    private const int RandomDigits = 16;

    // The last character of the first label says which upstream was asked: 'a' + server for local ones.
    private const byte ClusterMark = (byte)'z';
    private const byte FirstServerMark = (byte)'a';

    private readonly byte[] _name;

    public LoopProbe(Action<Span<byte>> randomBytes)
    {
        var random = new byte[RandomDigits / 2];
        randomBytes(random);
        _name = DnsName.Parse(Convert.ToHexStringLower(random) + "z.loop-check.example");
    }

    /// <summary>The name to ask an upstream for; valid until the next call.</summary>
    public ReadOnlySpan<byte> NameFor(Place place, int server)
    {
        _name[1 + RandomDigits] = place == Place.Cluster ? ClusterMark : (byte)(FirstServerMark + server);
        return _name;
    }

    /// <summary>Whether a question (lower case) is one of ours, and which upstream it was sent to.</summary>
    public bool Recognises(ReadOnlySpan<byte> name, out Place place, out int server)
    {
        place = Place.Cluster;
        server = 0;
        if (name.Length != _name.Length || !name[..(1 + RandomDigits)].SequenceEqual(_name.AsSpan(0, 1 + RandomDigits))) return false;
        var mark = name[1 + RandomDigits];
        if (mark == ClusterMark) return true;
        place = Place.Local;
        server = mark - FirstServerMark;
        return server is >= 0 and < Resolver.MaxLocalServers;
    }
}
