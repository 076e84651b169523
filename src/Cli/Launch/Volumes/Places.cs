using System.Security.Cryptography;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>The machine's real files.</summary>
/// <param name="isGround">Whether names may be made for real in a directory (links followed).</param>
internal sealed class Places(Func<string, bool> isGround) : IPlaces
{
    /// <inheritdoc/>
    public bool Exists(string path) => FileStatus.Read(path, follow: false, out _) == 0;

    /// <inheritdoc/>
    public bool? IsDirectory(string path) => FileStatus.Read(path, follow: true, out FileStatus status) == 0 ? status.Kind == FileKind.Directory : null;

    /// <inheritdoc/>
    public string Resolve(string path) => Follow(path);

    /// <inheritdoc/>
    public bool IsGround(string directory) => isGround(directory);

    /// <summary>A path that leads somewhere, with every link in it followed.</summary>
    internal static string Follow(string path)
    {
        string resolved = "/";
        List<string> parts = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries)];
        const int mostLinks = 40; // as the kernel
        int links = 0;
        for (int at = 0; at < parts.Count; at++)
        {
            if (parts[at] == ".")
                continue;
            if (parts[at] == "..")
            {
                resolved = Path.GetDirectoryName(resolved) ?? "/";
                continue;
            }

            string next = Path.Combine(resolved, parts[at]);
            string? target = new FileInfo(next).LinkTarget;
            if (target is null || ++links > mostLinks)
            {
                resolved = next;
                continue;
            }

            parts.InsertRange(at + 1, target.Split('/', StringSplitOptions.RemoveEmptyEntries));
            if (target.StartsWith('/'))
                resolved = "/";
        }

        return resolved;
    }

    /// <summary>The end of a name that nobody guesses: six characters, as mkdtemp(3).</summary>
    internal static string RandomSuffix()
    {
        const string alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        return new string(RandomNumberGenerator.GetItems<char>(alphabet, 6));
    }
}
