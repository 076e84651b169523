using System.Globalization;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// A daemon's log: one line for each event, with the time. Keys, tokens and environment variables are never given to it.
/// </summary>
internal sealed class FileLog : IDisposable
{
    private const long LongestBytes = 10 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly bool _verbose;
    private Stream? _file;
    private StringBuilder? _early;

    private FileLog(string path, Stream? file, bool verbose)
    {
        Path = path;
        _file = file;
        _verbose = verbose;
    }

    /// <summary>Whether what is written arrives anywhere.</summary>
    internal bool IsOpen => _file is not null;

    /// <summary>Where it is.</summary>
    internal string Path { get; private set; }

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
            FileStream file = Create(path);
            return new FileLog(path, file, verbose);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new FileLog($"{path} (which cannot be written: {fault.Message})", null, verbose);
        }
    }

    /// <summary>
    /// A log of one session, which keeps its lines until <see cref="OpenNew"/>: the file may only be made when the process is its user.
    /// </summary>
    /// <param name="path">File; <c>-</c> is standard output.</param>
    /// <param name="verbose">Whether details are written.</param>
    internal static FileLog Later(string path, bool verbose) => new(path == "-" ? "standard output" : path, null, verbose) { _early = new StringBuilder() };

    /// <summary>Opens a log that was made with <see cref="Later"/>. A file that is there goes first; a device, or a pipe, is written to.</summary>
    internal void OpenNew()
    {
        try
        {
            if (Path == "standard output")
            {
                _file = Console.OpenStandardOutput();
            }
            else
            {
                if (FileStatus.Read(Path, follow: false, out FileStatus there) == 0 && there.Kind == FileKind.Regular)
                    File.Delete(Path);
                _file = Create(Path);
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Path = $"{Path} (which cannot be written: {fault.Message})";
        }

        lock (_lock)
        {
            string early = _early?.ToString() ?? "";
            _early = null;
            Append(early);
        }
    }

    /// <summary>Writes a line. One that cannot be written (the disk is full) is lost: it must not keep anybody from undoing.</summary>
    internal void Write(string line)
    {
        string text = $"{DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)} {line}\n";
        lock (_lock)
            Append(text);
    }

    /// <summary>Writes a line when details were asked for.</summary>
    internal void Detail(string line)
    {
        if (_verbose)
            Write(line);
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private void Append(string text)
    {
        try
        {
            if (_early is not null)
                _early.Append(text);
            else
                _file?.Write(Encoding.UTF8.GetBytes(text));
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException)
        {
            // Nowhere to say so.
        }
    }

    private static FileStream Create(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        BufferSize = 0,
    });
}
