using System.Buffers;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>Where the shim is.</summary>
internal static class PreloadLibrary
{
    private const string Name = "telepresence-preload.so";

    private static readonly SearchValues<char> Special = SearchValues.Create(" \t\n:;$");

    /// <summary>The shim of this installation: <c>preload/telepresence-preload.so</c> beside the program.</summary>
    internal static string Installed => Path.Combine(AppContext.BaseDirectory, "preload", Name);

    /// <summary>
    /// A path of the library that LD_PRELOAD can hold: blanks and colons separate its entries, and the loader replaces what begins with a
    /// dollar sign, so from such a place the library is linked into <paramref name="directory"/>. The settings' own separator counts too.
    /// </summary>
    /// <exception cref="UserError">The library is not there, or neither path can be used.</exception>
    internal static string Place(string library, string directory)
    {
        if (!File.Exists(library))
            throw new UserError(ExitCode.Internal, $"{library} is missing, without which --method preload does nothing. Install telepresence again (./dev install).");
        if (IsPlain(library))
            return library;
        string link = Path.Combine(directory, Name);
        if (!IsPlain(link))
            throw new UserError(ExitCode.Internal, $"LD_PRELOAD cannot hold the path {library}, nor a link to it in {directory}. Set TMPDIR to a directory without blanks and colons in its path.");
        File.Delete(link);
        File.CreateSymbolicLink(link, library);
        return link;
    }

    private static bool IsPlain(string path) => !path.AsSpan().ContainsAny(Special);
}
