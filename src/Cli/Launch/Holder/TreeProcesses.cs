using System.Globalization;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// The processes of a tree: all that are in its namespaces, whoever started them, daemons and those of <c>telepresence run</c> included; and
/// all that those, or the holder, have started, in whatever namespaces of their own (rootless containers, sandboxes).
/// </summary>
/// <remarks>The holder adopts what loses its parent (<see cref="Orphans"/>), so that nothing in the tree ceases to be its descendant.</remarks>
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

    /// <summary>Numbers of the processes in a namespace and of their descendants, without this one.</summary>
    /// <param name="wanted">The namespace.</param>
    /// <param name="holder">A process whose descendants belong to the tree as well, wherever they are; 0 for none.</param>
    internal static IReadOnlyCollection<int> Find(string wanted, int holder = 0)
    {
        bool network = wanted.StartsWith("net", StringComparison.Ordinal);
        HashSet<int> found = [];
        Dictionary<int, List<int>> children = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            string name = Path.GetFileName(directory);
            if (!int.TryParse(name, CultureInfo.InvariantCulture, out int id) || StatOf(id) is not (_, int parent))
                continue;
            if (!children.TryAdd(parent, [id]))
                children[parent].Add(id);
            if (NamespaceOf(name, network) == wanted)
                found.Add(id);
        }

        Queue<int> left = new(found.Append(holder).Where(static id => id != 0));
        while (left.TryDequeue(out int id))
        {
            foreach (int child in children.GetValueOrDefault(id, []).Where(found.Add))
                left.Enqueue(child);
        }

        found.Remove(Environment.ProcessId);
        return found;
    }

    /// <summary>This process's children that have ended and have not been waited for.</summary>
    internal static IReadOnlyList<int> EndedChildren()
    {
        List<int> ended = [];
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            string children = Path.Combine(task, "children");
            try
            {
                ended.AddRange(File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(static id => int.Parse(id, CultureInfo.InvariantCulture)).Where(static id => StatOf(id)?.State == 'Z'));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // The thread has ended, or this kernel has no such list.
            }
        }

        return ended;
    }

    /// <summary>
    /// Ends them: first as a terminal that is closed and a system that shuts down would, two seconds later without asking.
    /// </summary>
    /// <param name="wanted">Their namespace.</param>
    /// <param name="holder">The holder, whose descendants they are.</param>
    /// <returns>False when some could not be ended, because they wait in the kernel.</returns>
    internal static async Task<bool> EndAsync(string wanted, int holder)
    {
        await SignalUntilGoneAsync(wanted, holder, Patience, [SIGHUP, Posix.SIGTERM, SIGCONT], again: false);
        return await SignalUntilGoneAsync(wanted, holder, LastPatience, [Posix.SIGKILL], again: true);
    }

    private static async Task<bool> SignalUntilGoneAsync(string wanted, int holder, TimeSpan patience, int[] signals, bool again)
    {
        HashSet<int> signalled = [];
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            IReadOnlyList<int> present = [.. Find(wanted, holder).Where(IsAlive)];
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
    internal static bool IsStopped(int id) => StatOf(id)?.State is 'T' or 't';

    // A zombie has no namespaces to hold any more; its link is gone or still there, depending on the kernel.
    private static bool IsAlive(int id) => StatOf(id)?.State is not (null or 'Z' or 'X');

    // Fields 3 and 4 of stat; field 2, the name in parentheses, may itself hold parentheses. Null when it is gone.
    private static (char State, int Parent)? StatOf(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
            return (fields[0][0], int.Parse(fields[1], CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
