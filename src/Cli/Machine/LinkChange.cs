using System.Net.NetworkInformation;

namespace Telepresence.Cli.Machine;

/// <summary>
/// The TUN interface is brought up with its addresses. The interface itself lives as long as a descriptor to it is open, so the undo
/// only matters when some process still holds one.
/// </summary>
/// <param name="Name">Interface name.</param>
/// <param name="Mtu">Bytes.</param>
/// <param name="Addresses">With prefix length: <c>198.18.77.1/32</c>.</param>
public sealed record LinkChange(string Name, int Mtu, IReadOnlyList<string> Addresses) : Change
{
    // Longer than any sum of advertised windows: a full queue drops, and a drop on this link costs a retransmission time-out.
    private const int QueueLength = 10_000;

    /// <inheritdoc/>
    public override string Description => $"interface {Name}";

    /// <inheritdoc/>
    public override Task ApplyAsync(CancellationToken cancellation) => IpTool.BatchAsync(family: 0, Commands(), force: false, cancellation);

    /// <summary>What <c>ip</c> is told.</summary>
    internal IReadOnlyList<string> Commands()
    {
        List<string> lines = [$"link set dev {Name} mtu {Mtu} txqueuelen {QueueLength} addrgenmode none"];
        foreach (string address in Addresses)
            lines.Add($"address add {address} dev {Name}{(address.Contains(':', StringComparison.Ordinal) ? " nodad" : "")}");
        lines.Add($"link set dev {Name} up");
        return lines;
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        // By the time of an undo the name may be somebody else's: the number in it is given to whoever comes next.
        if (IsOurs())
            await IpTool.BatchAsync(family: 0, [$"link delete dev {Name}"], force: true, cancellation).ConfigureAwait(false);
    }

    private bool IsOurs() =>
        NetworkInterface.GetAllNetworkInterfaces().FirstOrDefault(link => link.Name == Name) is { } link
        && link.GetIPProperties().UnicastAddresses.Any(address => Addresses.Contains($"{address.Address}/{address.PrefixLength}"));

    /// <summary>Addresses compare by content, so that a record read back from the journal equals the one written.</summary>
    public bool Equals(LinkChange? other) =>
        other is not null && Name == other.Name && Mtu == other.Mtu && Addresses.SequenceEqual(other.Addresses);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Mtu);
}
