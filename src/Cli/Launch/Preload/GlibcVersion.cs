using System.Runtime.InteropServices;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>The GNU libc of this machine.</summary>
/// <remarks>Before 2.34 the loader's functions and the resolver's were in libraries of their own, which the shim does not ask for.</remarks>
internal static partial class GlibcVersion
{
    private static readonly Version First = new(2, 34);

    /// <summary>The version that this process runs on; null on musl.</summary>
    internal static string? Running
    {
        get
        {
            try
            {
                return Marshal.PtrToStringUTF8(gnu_get_libc_version());
            }
            catch (EntryPointNotFoundException)
            {
                return null;
            }
        }
    }

    /// <summary>Refuses a version that the shim does not load in.</summary>
    /// <param name="version">For example "2.36"; null where there is none.</param>
    /// <exception cref="UserError">It is too old.</exception>
    internal static void Require(string? version)
    {
        if (Version.TryParse(version?.Split('-')[0], out Version? parsed) && parsed < First)
            throw new UserError(ExitCode.LocalNetwork, $"--method preload needs glibc {First} or newer, and this machine has {version}. Use --method netns.");
    }

    [LibraryImport("libc")]
    private static partial nint gnu_get_libc_version();
}
