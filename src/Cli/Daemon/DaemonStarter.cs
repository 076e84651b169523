using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// The process that started the root daemon, and reads one line from its standard output that says how the start went. Apart from that line
/// the terminal is not the daemon's, nor that of anything which the daemon starts.
/// </summary>
internal sealed class DaemonStarter : IDisposable
{
    private readonly FileDescriptor _output = Posix.Duplicate(1);

    private DaemonStarter()
    {
        using FileStream nowhere = new("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        Posix.RedirectStandardStreams(nowhere.SafeFileHandle);
    }

    /// <summary>Keeps standard output for <see cref="Tell"/>, and points the standard streams nowhere.</summary>
    internal static DaemonStarter Take() => new();

    /// <summary>Says how the start went, once.</summary>
    /// <returns>Whether somebody still listens.</returns>
    internal unsafe bool Tell(string line)
    {
        byte[] text = Encoding.UTF8.GetBytes(line.ReplaceLineEndings(" ") + "\n");
        nint written;
        fixed (byte* at = text)
            written = Libc.write(_output.Number, at, (nuint)text.Length);
        Dispose();
        return written == text.Length;
    }

    /// <inheritdoc/>
    public void Dispose() => _output.Dispose();
}
