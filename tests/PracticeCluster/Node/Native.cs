using System.Runtime.InteropServices;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The few libc calls that .NET has no name for.</summary>
internal static partial class Native
{
    internal const int NewNetwork = 0x40000000;
    internal const int ReadOnly = 0;
    internal const int ReadWrite = 2;
    internal const int NoControllingTerminal = 0x100;
    internal const int CloseOnExec = 0x80000;
    internal const int SignalKill = 9;
    internal const int SignalTerminate = 15;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    internal static partial int SetNamespace(int fd, int type);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "mknod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MakeNode(string path, uint mode, ulong device);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int ChangeOwner(string path, int user, int group);

    [LibraryImport("libc", EntryPoint = "lsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int SetExtendedAttribute(string path, string name, byte[] value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "grantpt", SetLastError = true)]
    internal static partial int GrantTerminal(int fd);

    [LibraryImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    internal static partial int UnlockTerminal(int fd);

    [LibraryImport("libc", EntryPoint = "ptsname_r", SetLastError = true)]
    internal static partial int TerminalName(int fd, Span<byte> name, nuint size);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int SetWindowSize(int fd, nuint request, in WindowSize size);

    /// <summary>struct winsize of ioctl_tty(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct WindowSize
    {
        internal ushort Rows;
        internal ushort Columns;
        internal ushort PixelsWide;
        internal ushort PixelsHigh;
    }

    /// <summary>Turns a failed call into an exception that names what was attempted.</summary>
    internal static void Check(int result, string what)
    {
        if (result < 0)
            throw new NodeException($"{what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }
}
