using System.Globalization;
using System.Text;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// A daemon's log: one line for each event, with the time. Keys, tokens and environment variables are never given to it.
/// </summary>
internal sealed class FileLog : IDisposable
{
    private const long LongestBytes = 10 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Stream? _file;
    private readonly bool _verbose;

    private FileLog(string path, Stream? file, bool verbose)
    {
        Path = path;
        _file = file;
        _verbose = verbose;
    }

    /// <summary>Where it is.</summary>
    internal string Path { get; }

    /// <summary>Opens a log for appending; one that has grown past 10 MB is set aside as <c>….1</c> first.</summary>
    /// <param name="path">File.</param>
    /// <param name="verbose">Whether details are written.</param>
    /// <returns>A log that writes nothing when the file cannot be opened: that must not keep anybody from connecting, or undoing.</returns>
    internal static FileLog Open(string path, bool verbose)
    {
        try
        {
            if (System.IO.Path.GetDirectoryName(path) is { Length: > 0 } directory)
                Directory.CreateDirectory(directory, DaemonPaths.Private);
            if (new FileInfo(path) is { Exists: true, Length: > LongestBytes })
                File.Move(path, path + ".1", overwrite: true);
            FileStream file = new(path, new FileStreamOptions
            {
                Mode = FileMode.Append,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite | FileShare.Delete,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            });
            return new FileLog(path, file, verbose);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new FileLog($"{path} (which cannot be written: {fault.Message})", null, verbose);
        }
    }

    /// <summary>Opens a log of one session: a file that is there goes first; <c>-</c> is standard output.</summary>
    internal static FileLog OpenNew(string path, bool verbose)
    {
        if (path == "-")
            return new FileLog("standard output", Console.OpenStandardOutput(), verbose);
        try
        {
            File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new FileLog($"{path} (which cannot be written: {fault.Message})", null, verbose);
        }

        return Open(path, verbose);
    }

    /// <summary>Writes a line. One that cannot be written (the disk is full) is lost: it must not keep anybody from undoing.</summary>
    internal void Write(string line)
    {
        if (_file is null)
            return;
        byte[] bytes = Encoding.UTF8.GetBytes($"{DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)} {line}\n");
        try
        {
            lock (_lock)
                _file.Write(bytes);
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException)
        {
            // Nowhere to say so.
        }
    }

    /// <summary>Writes a line when details were asked for.</summary>
    internal void Detail(string line)
    {
        if (_verbose)
            Write(line);
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();
}
