using System.Net;
using System.Net.Sockets;
using System.Text;

using Telepresence.Cli.Engine;
using Telepresence.Dns;
using Telepresence.Dns.Wire;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>Name service for programs whose C library cannot be told to ask elsewhere (musl): the machine's hosts file, then the resolver.</summary>
internal sealed class PreloadNames(EngineScope scope, string hostsPath)
{
    /// <summary>Answers with the addresses of a name.</summary>
    /// <param name="call">Who asks.</param>
    /// <param name="name">The name, as the program has it.</param>
    /// <param name="family">4, 6, or 0 for both.</param>
    /// <param name="now">Microseconds, monotonic.</param>
    internal void LookUp(PreloadCall call, ReadOnlySpan<byte> name, int family, long now)
    {
        string host = Encoding.UTF8.GetString(name);
        HostsFile hosts = HostsFile.Read(hostsPath);
        if (hosts.Find(host) is { Addresses: { } known } entry && Select(known, family) is { Count: > 0 } selected)
        {
            call.Reply(PreloadAnswer.Addresses(selected, entry.Name));
            return;
        }

        if (scope.Names is not { } server || !DnsName.TryParse(host, out _))
        {
            call.Reply(PreloadAnswer.NoName(scope.Names is null ? PreloadNameStatus.TryAgain : PreloadNameStatus.Unknown));
            return;
        }

        Gathering gathering = new(call, host, family == 0 ? 2 : 1);
        if (family != 6)
            server.Ask(DnsAddressQuery.Build(host, ipv6: false), gathering.Add, now);
        if (family != 4)
            server.Ask(DnsAddressQuery.Build(host, ipv6: true), gathering.Add, now);
    }

    /// <summary>Answers with the name of an address.</summary>
    internal void Reverse(PreloadCall call, IPAddress address, long now)
    {
        if (HostsFile.Read(hostsPath).Find(address) is { } known)
            call.Reply(PreloadAnswer.Bytes(Encoding.ASCII.GetBytes(known)));
        else if (scope.Names is { } server)
            server.Ask(DnsAddressQuery.BuildReverse(address), message => ReplyName(call, message), now);
        else
            call.Reply(PreloadAnswer.NoName(PreloadNameStatus.TryAgain));
    }

    /// <summary>Passes a DNS message to the resolver and its answer back.</summary>
    internal void Query(PreloadCall call, ReadOnlySpan<byte> query, long now)
    {
        if (scope.Names is { } server)
            server.Ask(query, answer => call.Reply(answer is null ? PreloadAnswer.NoName(PreloadNameStatus.TryAgain) : PreloadAnswer.Bytes(answer)), now);
        else
            call.Reply(PreloadAnswer.NoName(PreloadNameStatus.TryAgain));
    }

    private static List<IPAddress> Select(IReadOnlyList<IPAddress> addresses, int family) =>
        [.. addresses.Where(address => family == 0 || (address.AddressFamily == AddressFamily.InterNetwork) == (family == 4))];

    private static void ReplyName(PreloadCall call, byte[]? message)
    {
        int code = message is null ? DnsRcode.ServFail : DnsAnswer.ReadCode(message);
        string? name = code == DnsRcode.NoError ? DnsAnswer.ReadPointer(message) : null;
        PreloadNameStatus missing = code is DnsRcode.NoError or DnsRcode.NxDomain ? PreloadNameStatus.Unknown : PreloadNameStatus.TryAgain;
        call.Reply(name is null ? PreloadAnswer.NoName(missing) : PreloadAnswer.Bytes(Encoding.ASCII.GetBytes(name)));
    }

    /// <summary>The answers to one or two questions for addresses.</summary>
    private sealed class Gathering(PreloadCall call, string host, int missing)
    {
        private readonly List<IPAddress> _addresses = [];
        private string? _canonical;
        private bool _exists;
        private bool _failed;
        private int _missing = missing;

        internal void Add(byte[]? message)
        {
            int code = message is null ? DnsRcode.ServFail : DnsAnswer.ReadCode(message);
            _exists |= code == DnsRcode.NoError;
            _failed |= code is not (DnsRcode.NoError or DnsRcode.NxDomain);
            if (code == DnsRcode.NoError)
            {
                List<IPAddress> found = [];
                DnsAnswer.ReadAddresses(message, found);
                _canonical ??= DnsAnswer.ReadCanonicalName(message);

                // IPv4 first, whichever answer came first: it is what clusters have.
                bool isIPv4 = found.Count > 0 && found[0].AddressFamily == AddressFamily.InterNetwork;
                _addresses.InsertRange(isIPv4 ? 0 : _addresses.Count, found);
            }

            if (--_missing == 0)
                call.Reply(Result());
        }

        private byte[] Result()
        {
            if (_addresses.Count > 0)
                return PreloadAnswer.Addresses(_addresses, _canonical ?? host);
            PreloadNameStatus status = _failed ? PreloadNameStatus.TryAgain : _exists ? PreloadNameStatus.NoData : PreloadNameStatus.Unknown;
            return PreloadAnswer.NoName(status);
        }
    }
}
