using System.Net;

using Telepresence.Dns;

namespace Telepresence.Cli.Engine.Dns;

/// <summary>Questions of our own to the resolver: for host names that the user wants routed (<c>--also-proxy HOST</c>), and for programs that
/// ask without a socket.</summary>
internal sealed class OwnLookups
{
    /// <summary>Socket number that stands for no socket in a token.</summary>
    internal const ushort Number = ushort.MaxValue;

    private readonly Dictionary<UInt128, Action<byte[]?>> _waiting = [];
    private ulong _lastId;

    /// <summary>Asks for the addresses of one kind; an empty list when there are none or nobody answered.</summary>
    /// <param name="resolver">Is asked.</param>
    /// <param name="host">A host name.</param>
    /// <param name="ipv6">AAAA instead of A.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    /// <exception cref="FormatException">Not a DNS name.</exception>
    internal Task<IReadOnlyList<IPAddress>> Ask(Resolver resolver, string host, bool ipv6, long now)
    {
        TaskCompletionSource<IReadOnlyList<IPAddress>> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Ask(resolver, DnsAddressQuery.Build(host, ipv6), message =>
        {
            List<IPAddress> addresses = [];
            DnsAnswer.ReadAddresses(message, addresses);
            answer.SetResult(addresses);
        }, now);
        return answer.Task;
    }

    /// <summary>Asks a question; <paramref name="answered"/> is called once, perhaps before this returns, with null if it was no question.</summary>
    internal void Ask(Resolver resolver, ReadOnlySpan<byte> query, Action<byte[]?> answered, long now)
    {
        UInt128 id = ++_lastId;
        _waiting.Add(id, answered);
        if (!resolver.Receive(query, new DnsClientToken(id, Number, IsTcp: true), now) && _waiting.Remove(id))
            answered(null);
    }

    /// <summary>The resolver answered one of ours.</summary>
    internal void Answered(in DnsClientToken token, ReadOnlySpan<byte> message)
    {
        if (_waiting.Remove(token.Id, out Action<byte[]?>? answered))
            answered(message.ToArray());
    }
}
