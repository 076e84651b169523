namespace Telepresence.PracticeCluster.Node;

/// <summary>The /dev of all containers: what the OCI runtime specification asks for, and places for what is mounted there.</summary>
internal static class DeviceFiles
{
    private const uint CharacterDevice = 0x2000;
    private const uint Everyone = 0x1B6;

    internal static void Make(string directory)
    {
        Directory.CreateDirectory(directory);
        foreach ((string name, uint minor, uint major) in ((string, uint, uint)[])
            [("null", 3, 1), ("zero", 5, 1), ("full", 7, 1), ("random", 8, 1), ("urandom", 9, 1), ("tty", 0, 5)])
        {
            string path = Path.Combine(directory, name);
            Native.Check(Native.MakeNode(path, CharacterDevice | Everyone, (major << 8) | minor), $"cannot make /dev/{name}");
            File.SetUnixFileMode(path, (UnixFileMode)Everyone);
        }

        foreach (string name in (string[])["pts", "shm", "mqueue"])
            Directory.CreateDirectory(Path.Combine(directory, name));
        File.CreateSymbolicLink(Path.Combine(directory, "ptmx"), "pts/ptmx");
        File.CreateSymbolicLink(Path.Combine(directory, "fd"), "/proc/self/fd");
        File.CreateSymbolicLink(Path.Combine(directory, "stdin"), "/proc/self/fd/0");
        File.CreateSymbolicLink(Path.Combine(directory, "stdout"), "/proc/self/fd/1");
        File.CreateSymbolicLink(Path.Combine(directory, "stderr"), "/proc/self/fd/2");
        File.WriteAllText(Path.Combine(directory, "termination-log"), "");
    }
}
