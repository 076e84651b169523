using System.Globalization;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// The processes of a tree: all that are in its namespaces, whoever started them, daemons and those of <c>telepresence run</c> included.
/// </summary>
internal static class TreeProcesses
{
    private const int SIGHUP = 1, SIGCONT = 18;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2), LastPatience = TimeSpan.FromSeconds(1), Look = TimeSpan.FromMilliseconds(20);

    /// <summary>The namespace by which a tree is told from everything else, as <c>net:[4026532000]</c> or <c>mnt:[…]</c>.</summary>
    /// <param name="process">One that is in it: a number, or <c>self</c>.</param>
    /// <param name="network">Whether the tree has a network namespace of its own.</param>
    /// <returns>Null when the process is gone.</returns>
    internal static string? NamespaceOf(string process, bool network)
    {
        try
        {
            return new FileInfo($"/proc/{process}/ns/{(network ? "net" : "mnt")}").LinkTarget;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Gone, or somebody else's.
            return null;
        }
    }

    /// <summary>Numbers of the processes in a namespace, without this one.</summary>
    internal static IReadOnlyList<int> Find(string wanted)
    {
        bool network = wanted.StartsWith("net", StringComparison.Ordinal);
        List<int> found = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            string name = Path.GetFileName(directory);
            if (int.TryParse(name, CultureInfo.InvariantCulture, out int id) && id != Environment.ProcessId && NamespaceOf(name, network) == wanted)
                found.Add(id);
        }

        return found;
    }

    /// <summary>
    /// Ends them: first as a terminal that is closed and a system that shuts down would, two seconds later without asking.
    /// </summary>
    /// <returns>False when some could not be ended, because they wait in the kernel.</returns>
    internal static async Task<bool> EndAsync(string wanted)
    {
        await SignalUntilGoneAsync(wanted, Patience, [SIGHUP, Posix.SIGTERM, SIGCONT], again: false);
        return await SignalUntilGoneAsync(wanted, LastPatience, [Posix.SIGKILL], again: true);
    }

    private static async Task<bool> SignalUntilGoneAsync(string wanted, TimeSpan patience, int[] signals, bool again)
    {
        HashSet<int> signalled = [];
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            IReadOnlyList<int> present = [.. Find(wanted).Where(IsAlive)];
            if (present.Count == 0)
                return true;
            if (Environment.TickCount64 >= deadline)
                return false;

            // One may have been started since the last look.
            foreach (int id in present.Where(id => signalled.Add(id) || again))
            {
                foreach (int signal in signals)
                    _ = Posix.kill(id, signal);
            }

            await Task.Delay(Look);
        }
    }

    /// <summary>Whether a process is stopped.</summary>
    internal static bool IsStopped(int id) => StateOf(id) is 'T' or 't';

    // A zombie has no namespaces to hold any more; its link is gone or still there, depending on the kernel.
    private static bool IsAlive(int id) => StateOf(id) is not (null or 'Z' or 'X');

    // Field 3 of stat; field 2, the name in parentheses, may itself hold parentheses. Null when it is gone.
    private static char? StateOf(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 1)..].TrimStart().FirstOrDefault();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
