using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The file by which other processes find a running node.</summary>
/// <param name="Pid">The node's first process.</param>
internal sealed record NodeRecord(int Pid, int ApiPort)
{
    internal const string FileName = "record";

    internal static string Write(int pid, int apiPort) => string.Create(CultureInfo.InvariantCulture, $"{pid} {apiPort}\n");

    /// <exception cref="NodeException">No node runs from this state directory.</exception>
    internal static NodeRecord Read(string stateDirectory)
    {
        string file = Path.Combine(stateDirectory, "node", FileName);
        string[] parts = File.Exists(file) ? File.ReadAllText(file).Split(' ') : [];
        if (parts.Length != 2 || !Directory.Exists($"/proc/{parts[0]}"))
            throw new NodeException($"no cluster runs from {stateDirectory}; start one first");
        return new NodeRecord(int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}
