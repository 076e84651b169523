using System.Globalization;

namespace Telepresence.Rig.Run;

/// <summary>
/// CPU time and memory of the processes of this run, from /proc. The run has a PID namespace and a /proc of its own (scripts/bench), so
/// whatever stands there belongs to it, and the rest of the machine's busy time was taken by others.
/// </summary>
internal sealed class ProcessTable
{
    private const double TicksPerSecond = 100;

    private readonly Dictionary<int, Entry> _entries = [];

    private ProcessTable()
    {
    }

    /// <summary>Seconds that all processors were busy since the machine started; time that the hypervisor took away counts as busy.</summary>
    internal double MachineSeconds { get; private init; }

    /// <summary>CPU seconds of this run's processes so far, those that have ended included.</summary>
    internal double OwnSeconds => _entries.Values.Sum(static entry => entry.Seconds + entry.ReapedSeconds);

    internal static ProcessTable Read()
    {
        double[] times = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9]
            .Select(static field => double.Parse(field, CultureInfo.InvariantCulture) / TicksPerSecond)];
        const int idle = 3, waiting = 4;
        ProcessTable table = new() { MachineSeconds = times.Sum() - times[idle] - times[waiting] };
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), out int pid) || Lines(directory, "stat") is not [string stat, ..])
                continue;

            // The name in parentheses may hold anything; the fields behind it are counted from 3, proc(5).
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            double Seconds(int field) => double.Parse(fields[field - 3], CultureInfo.InvariantCulture) / TicksPerSecond;
            table._entries[pid] = new Entry(int.Parse(fields[1], CultureInfo.InvariantCulture), Seconds(14) + Seconds(15), Seconds(16) + Seconds(17));
        }

        return table;
    }

    /// <summary>CPU seconds of the process trees below <paramref name="roots"/>, roots included.</summary>
    internal double SecondsOf(IReadOnlyCollection<int> roots) => Tree(roots).Sum(pid => _entries[pid].Seconds + _entries[pid].ReapedSeconds);

    /// <summary>Resident memory of these trees in megabytes, now.</summary>
    internal double MegabytesOf(IReadOnlyCollection<int> roots) => Tree(roots).Sum(static pid => Memory(pid, "VmRSS:"));

    /// <summary>The largest that it has been, each process for itself.</summary>
    internal double PeakMegabytesOf(IReadOnlyCollection<int> roots) => Tree(roots).Sum(static pid => Memory(pid, "VmHWM:"));

    private IEnumerable<int> Tree(IReadOnlyCollection<int> roots) => _entries.Keys.Where(pid => IsBelow(pid, roots));

    private bool IsBelow(int pid, IReadOnlyCollection<int> roots)
    {
        for (; _entries.TryGetValue(pid, out Entry entry); pid = entry.Parent)
        {
            if (roots.Contains(pid))
                return true;
        }

        return false;
    }

    private static double Memory(int pid, string field)
    {
        string? line = Lines($"/proc/{pid}", "status")?.FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    /// <returns>Null when the process has ended meanwhile.</returns>
    private static string[]? Lines(string directory, string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(directory, file));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private readonly record struct Entry(int Parent, double Seconds, double ReapedSeconds);
}
