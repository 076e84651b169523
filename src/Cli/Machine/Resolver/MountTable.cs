namespace Telepresence.Cli.Machine.Resolver;

/// <summary>Reads /proc/self/mountinfo (proc_pid_mountinfo(5)).</summary>
internal static class MountTable
{
    /// <summary>
    /// Whether the topmost mount on a path is our own file. The table gives the file's path inside its file system, which is the end of its
    /// full path; our files have names that nobody else uses, so the end is enough, and it works when the file was deleted meanwhile.
    /// </summary>
    /// <param name="path">The mount point, links followed.</param>
    /// <param name="source">The file that was mounted there.</param>
    internal static bool IsMountedOver(string path, string source)
    {
        string root = "";
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            // 36 35 98:0 /path/in/its/file/system /mount/point options …; later lines cover earlier ones.
            if (line.Split(' ') is [_, _, _, string inside, string point, ..] && Unescape(point) == path)
                root = Unescape(inside).Replace("//deleted", "", StringComparison.Ordinal);
        }

        return root.Length > 1 && source.EndsWith(root, StringComparison.Ordinal) && Path.GetFileName(root) == Path.GetFileName(source);
    }

    /// <summary>Type of the file system whose root is the topmost mount at a path, or null when nothing is mounted there. Never waits for the
    /// file system itself.</summary>
    internal static string? TypeAt(string path) => TopmostAt(path)?.Type;

    /// <summary>The topmost mount at a path, with what it says to be a mount of; null when nothing is mounted there.</summary>
    internal static (string Type, string Source)? TopmostAt(string path)
    {
        (string, string)? topmost = null;
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            // … /mount/point options [optional fields] - type source superblock-options
            string[] fields = line.Split(' ');
            int separator = Array.IndexOf(fields, "-", 6);
            if (separator > 0 && separator + 2 < fields.Length && Unescape(fields[4]) == path)
                topmost = (fields[separator + 1], Unescape(fields[separator + 2]));
        }

        return topmost;
    }

    /// <summary>Whether something is mounted below a directory.</summary>
    /// <param name="directory">With a slash at its end.</param>
    internal static bool HasMountsBelow(string directory) =>
        File.ReadLines("/proc/self/mountinfo").Any(line => line.Split(' ') is [_, _, _, _, string point, ..] && Unescape(point).StartsWith(directory, StringComparison.Ordinal));

    // Blank, tab, line feed and backslash are written as three octal digits.
    private static string Unescape(string text) =>
        text.Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal)
            .Replace("\\012", "\n", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal);
}
