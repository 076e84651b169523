using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Telepresence.Cli.Launch;

/// <summary>How long each part of the start took, for <c>--verbose</c>. Parts may run side by side.</summary>
internal sealed class StartClock
{
    private readonly long _begin = Stopwatch.GetTimestamp();
    private readonly List<(string Part, TimeSpan From, TimeSpan To)> _parts = [];

    /// <summary>Runs a part and notes when it began and ended.</summary>
    internal async Task<T> TimeAsync<T>(string part, Task<T> running)
    {
        TimeSpan from = Stopwatch.GetElapsedTime(_begin);
        T result = await running;
        lock (_parts)
            _parts.Add((part, from, Stopwatch.GetElapsedTime(_begin)));
        return result;
    }

    /// <inheritdoc cref="TimeAsync{T}"/>
    internal Task TimeAsync(string part, Task running) => TimeAsync(part, Finish(running));

    /// <summary>A table: part, when it began, how long it took; in milliseconds.</summary>
    internal string ToTable()
    {
        StringBuilder table = new();
        lock (_parts)
        {
            int width = _parts.Max(static part => part.Part.Length);
            table.Append(CultureInfo.InvariantCulture, $"{"start-up".PadRight(width)}   from   took ms\n");
            foreach ((string part, TimeSpan from, TimeSpan to) in _parts.OrderBy(static part => part.From))
                table.Append(CultureInfo.InvariantCulture, $"{part.PadRight(width)} {from.TotalMilliseconds,6:0} {(to - from).TotalMilliseconds,9:0}\n");
            table.Append(CultureInfo.InvariantCulture, $"{"total".PadRight(width)} {0,6} {Stopwatch.GetElapsedTime(_begin).TotalMilliseconds,9:0}");
        }

        return table.ToString();
    }

    private static async Task<bool> Finish(Task running)
    {
        await running;
        return true;
    }
}
