namespace Telepresence.Cli.Machine;

/// <summary>A policy rule that sends every packet through our own routing table before the machine's.</summary>
/// <param name="Family">4 or 6.</param>
/// <param name="Priority">Place among the rules; lower is earlier.</param>
/// <param name="Table">Number of our table.</param>
public sealed record RuleChange(int Family, int Priority, int Table) : Change
{
    /// <inheritdoc/>
    public override string Description => $"IPv{Family} rule {Priority}";

    /// <inheritdoc/>
    public override async Task ApplyAsync(CancellationToken cancellation)
    {
        try
        {
            await IpTool.BatchAsync(Family, [$"rule add pref {Priority} lookup {Table}"], force: false, cancellation).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The very same rule, which an undo that failed has left, is as good as a new one.
            if (!(await IpTool.RulesAsync(Family, cancellation).ConfigureAwait(false)).Contains((Priority, Table)))
                throw;
        }
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        // A crash between two starts may have left the rule twice; each call removes one.
        while ((await IpTool.RulesAsync(Family, cancellation).ConfigureAwait(false)).Contains((Priority, Table)))
            await IpTool.BatchAsync(Family, [$"rule delete pref {Priority} lookup {Table}"], force: false, cancellation).ConfigureAwait(false);
    }
}
