namespace Telepresence.Cli.Machine;

/// <summary>Our routing table is in use; the undo empties it.</summary>
/// <param name="Family">4 or 6.</param>
/// <param name="Table">Number of our table.</param>
public sealed record RoutesChange(int Family, int Table) : Change
{
    /// <inheritdoc/>
    public override string Description => $"IPv{Family} routing table {Table}";

    /// <summary>Nothing is made here: <see cref="MachineNetwork"/> fills the table, and may change it while it runs.</summary>
    public override Task ApplyAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancellation) =>
        IpTool.FlushTableAsync(Family, Table, cancellation);
}
