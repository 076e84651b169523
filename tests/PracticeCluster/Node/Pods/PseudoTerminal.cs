using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The master side of a terminal for `exec -t` and containers with a tty.</summary>
internal sealed class PseudoTerminal : IDisposable
{
    private const nuint SetWindowSizeRequest = 0x5414;
    private readonly SafeFileHandle _master;

    private PseudoTerminal(SafeFileHandle master, string slavePath)
    {
        _master = master;
        SlavePath = slavePath;
        Stream = new FileStream(master, FileAccess.ReadWrite, bufferSize: 0);
    }

    internal string SlavePath { get; }

    internal FileStream Stream { get; }

    internal static PseudoTerminal Open()
    {
        int fd = Native.Open("/dev/ptmx", Native.ReadWrite | Native.NoControllingTerminal | Native.CloseOnExec, 0);
        Native.Check(fd, "cannot open a terminal");
        var master = new SafeFileHandle(fd, ownsHandle: true);
        Native.Check(Native.GrantTerminal(fd), "cannot open a terminal");
        Native.Check(Native.UnlockTerminal(fd), "cannot open a terminal");
        Span<byte> name = stackalloc byte[64];
        int error = Native.TerminalName(fd, name, (nuint)name.Length);
        if (error != 0)
            throw new NodeException("cannot find the terminal's name");
        return new PseudoTerminal(master, Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]));
    }

    internal void Resize(TerminalSize size)
    {
        var window = new Native.WindowSize { Rows = size.Height, Columns = size.Width };
        _ = Native.SetWindowSize(_master.DangerousGetHandle().ToInt32(), SetWindowSizeRequest, in window);
    }

    public void Dispose() => Stream.Dispose();
}
