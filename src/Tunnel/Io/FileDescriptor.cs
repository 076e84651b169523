using Microsoft.Win32.SafeHandles;

namespace Telepresence.Tunnel.Io;

/// <summary>Owns an open file descriptor and closes it once.</summary>
public sealed class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    /// <summary>Takes ownership of <paramref name="descriptor"/>.</summary>
    public FileDescriptor(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>The number; -1, which every system call refuses, once this object is disposed: another file may have the number by then.</summary>
    public int Number => IsClosed ? -1 : (int)handle;

    /// <summary>Gives the number away; whoever takes it closes it.</summary>
    public int Take()
    {
        int number = Number;
        SetHandleAsInvalid();
        return number;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
