using System.Text.Json.Serialization;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Launch;

/// <summary>A session's directory; the undo removes it with what is in it.</summary>
/// <param name="Path">Absolute.</param>
public sealed record SessionDirectoryChange(string Path) : Change
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override string Description => $"directory {Path}";

    /// <summary>Whose it is; another process only undoes.</summary>
    [JsonIgnore]
    internal InvokingUser? User { get; init; }

    /// <inheritdoc/>
    public override Task ApplyAsync(CancellationToken cancellation)
    {
        SessionPlaces.Make(User ?? throw new InvalidOperationException("A change read from a journal can only be undone."), Path);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancellation)
    {
        if (!Directory.Exists(Path))
            return Task.CompletedTask;

        // What is mounted in it is somebody's data: its own change comes first, and when that failed, this one does.
        string inside = Path + "/";
        if (File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ') is [_, string point, ..] && (point == Path || point.StartsWith(inside, StringComparison.Ordinal))))
            throw new IOException($"something is still mounted in {Path}");
        Directory.Delete(Path, recursive: true);
        RemoveEmpty(System.IO.Path.GetDirectoryName(Path)!);
        return Task.CompletedTask;
    }

    // The user's last session takes the directories around it away too.
    private static void RemoveEmpty(string sessions)
    {
        try
        {
            Directory.Delete(sessions);
            Directory.Delete(System.IO.Path.GetDirectoryName(sessions)!);
        }
        catch (IOException)
        {
            // Not empty: others live there.
        }
        catch (UnauthorizedAccessException)
        {
            // Not this user's.
        }
    }
}
