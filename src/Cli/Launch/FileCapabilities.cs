using System.Runtime.InteropServices;
using System.Text;

namespace Telepresence.Cli.Launch;

/// <summary>Whether a file gives capabilities to whoever runs it, see capabilities(7).</summary>
internal static unsafe partial class FileCapabilities
{
    private static readonly byte[] Attribute = "security.capability\0"u8.ToArray();

    /// <summary>Whether the file has the attribute. A file system without attributes has no such files.</summary>
    internal static bool Has(string path)
    {
        fixed (byte* file = Encoding.UTF8.GetBytes(path + '\0'), name = Attribute)
            return getxattr(file, name, null, 0) > 0;
    }

    [LibraryImport("libc")]
    private static partial nint getxattr(byte* path, byte* name, void* value, nuint size);
}
