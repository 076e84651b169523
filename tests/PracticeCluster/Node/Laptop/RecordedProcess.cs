using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A process that noted its own /proc/self/stat in a file, so that others find it and never take another for it.</summary>
internal static class RecordedProcess
{
    private const int StartTimeField = 19;

    /// <returns>Its pid, or null when it is gone.</returns>
    internal static int? Find(string file)
    {
        if (!File.Exists(file) || Parse(File.ReadAllText(file)) is not (int pid, string started))
            return null;
        try
        {
            return Parse(File.ReadAllText($"/proc/{pid}/stat")) is (_, string now) && now == started ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Kills it and waits until it is gone.</summary>
    internal static async Task EndAsync(string file, CancellationToken cancel)
    {
        while (Find(file) is int pid)
        {
            _ = Native.Kill(pid, Native.SignalKill);
            await Task.Delay(5, cancel);
        }
    }

    /// <summary>Field 1 of proc_pid_stat(5), and field 22; the name in field 2 may contain anything but ends at the last parenthesis.</summary>
    private static (int Pid, string StartTime)? Parse(string stat)
    {
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return int.TryParse(stat.Split(' ')[0], CultureInfo.InvariantCulture, out int pid) && fields.Length > StartTimeField
            ? (pid, fields[StartTimeField])
            : null;
    }
}
