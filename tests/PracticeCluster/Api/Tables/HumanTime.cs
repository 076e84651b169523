namespace Telepresence.PracticeCluster.Api.Tables;

/// <summary>Ages as kubectl shows them: 12s, 4m5s, 95m, 3h12m, 2d5h, 90d, 2y.</summary>
internal static class HumanTime
{
    public static string Since(DateTime? then) => then is null ? "<unknown>" : Of(DateTime.UtcNow - then.Value);

    public static string Of(TimeSpan d)
    {
        if (d.TotalSeconds < -1) return "<invalid>";
        var seconds = Math.Max(0, (long)d.TotalSeconds);
        var (minutes, hours) = (seconds / 60, seconds / 3600);
        var days = hours / 24;
        return seconds < 120 ? $"{seconds}s"
            : minutes < 10 ? Two(minutes, "m", seconds % 60, "s")
            : minutes < 180 ? $"{minutes}m"
            : hours < 8 ? Two(hours, "h", minutes % 60, "m")
            : hours < 48 ? $"{hours}h"
            : days < 8 ? Two(days, "d", hours % 24, "h")
            : days < 365 * 2 ? $"{days}d"
            : days < 365 * 8 ? Two(days / 365, "y", days % 365, "d")
            : $"{days / 365}y";
    }

    private static string Two(long a, string unitA, long b, string unitB) => b == 0 ? $"{a}{unitA}" : $"{a}{unitA}{b}{unitB}";
}
