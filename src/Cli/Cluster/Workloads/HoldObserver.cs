using System.Globalization;
using System.Text.Json.Nodes;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>
/// Tells a dead holder from one that an outage kept from saying that it lives: by watching for longer than a heartbeat whether the sign of
/// life changes.
/// </summary>
/// <remarks>Who comes back from an outage says so at once, and then every half minute; the one who watches compares no clocks.</remarks>
/// <param name="length">How long to watch.</param>
/// <param name="tell">Told what is waited for.</param>
internal sealed class HoldObserver(TimeSpan length, Action<string> tell)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);

    /// <summary>Watches one that looks dead.</summary>
    /// <param name="name">The Deployment that is wanted.</param>
    /// <param name="seen">The hold as it was read from where the sign of life is written.</param>
    /// <param name="read">Reads that again; null when it is gone.</param>
    /// <param name="cancellation">Stops watching.</param>
    /// <returns>Whether it lives.</returns>
    internal async Task<bool> LivesAsync(string name, Hold seen, Func<CancellationToken, Task<JsonObject?>> read, CancellationToken cancellation)
    {
        DateTimeOffset last = seen.Heard ?? seen.Since;
        tell($"Deployment {name} is held by {seen.Owner}, who was last heard at {last.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture)} UTC; waiting {length.TotalSeconds:0} seconds for a sign of life.");
        TimeSpan left = length;
        do
        {
            TimeSpan step = left < Interval ? left : Interval;
            await Task.Delay(step, cancellation);
            left -= step;
            if (await read(cancellation) is not { } item || Hold.Of(item) is not { } now)
                return false;
            if (now.Session != seen.Session || now.Heard != seen.Heard)
                return true;
        }
        while (left > TimeSpan.Zero);
        return false;
    }
}
