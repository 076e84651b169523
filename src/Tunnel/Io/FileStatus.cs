using System.Runtime.InteropServices;
using System.Text;

using Microsoft.Win32.SafeHandles;

namespace Telepresence.Tunnel.Io;

/// <summary>What kind of thing a name in a file system is.</summary>
internal enum FileKind
{
    Regular,
    Directory,
    Link,

    /// <summary>A socket, a pipe or a device: nothing that could be read to its end.</summary>
    Other,
}

/// <summary>What statx(2) says about a file, of which .NET tells only a part: above all, whether opening it could wait for ever.</summary>
internal readonly unsafe partial record struct FileStatus
{
    private const int CurrentDirectory = -100, NoFollow = 0x100, EmptyPath = 0x1000, BasicStats = 0x7ff;
    private const int TypeMask = 0xf000, RegularType = 0x8000, DirectoryType = 0x4000, LinkType = 0xa000;

    private static readonly nint Statx = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 291 : 332;

    internal FileKind Kind { get; private init; }

    /// <summary>The twelve permission bits.</summary>
    internal int Mode { get; private init; }

    internal long Length { get; private init; }

    internal uint Owner { get; private init; }

    internal ulong Inode { get; private init; }

    /// <summary>The file system that it is in, major and minor number.</summary>
    internal (uint Major, uint Minor) Device { get; private init; }

    /// <summary>When the contents were changed, seconds and nanoseconds since 1970.</summary>
    internal (long Seconds, uint Nanoseconds) Modified { get; private init; }

    /// <summary>When anything about it was changed.</summary>
    internal (long Seconds, uint Nanoseconds) Changed { get; private init; }

    /// <summary>Asks the kernel.</summary>
    /// <param name="path">The file.</param>
    /// <param name="follow">Whether a link at the end of the path is followed.</param>
    /// <param name="status">The answer.</param>
    /// <returns>0, or the errno.</returns>
    internal static int Read(string path, bool follow, out FileStatus status) => Read(CurrentDirectory, path, follow ? 0 : NoFollow, out status);

    /// <summary>Asks the kernel about a file that is open.</summary>
    /// <returns>0, or the errno.</returns>
    internal static int Read(FileDescriptor file, out FileStatus status) => Read(file.Number, "", EmptyPath, out status);

    /// <inheritdoc cref="Read(FileDescriptor, out FileStatus)"/>
    internal static int Read(SafeFileHandle file, out FileStatus status) => Read((int)file.DangerousGetHandle(), "", EmptyPath, out status);

    private static int Read(int directory, string path, int flags, out FileStatus status)
    {
        Record record = default;
        nint result;
        fixed (byte* at = Encoding.UTF8.GetBytes(path + '\0'))
            result = syscall(Statx, directory, at, flags, BasicStats, &record);
        status = default;
        if (result != 0)
            return Libc.Errno;
        status = new FileStatus
        {
            Kind = (record.Mode & TypeMask) switch
            {
                RegularType => FileKind.Regular,
                DirectoryType => FileKind.Directory,
                LinkType => FileKind.Link,
                _ => FileKind.Other,
            },
            Mode = record.Mode & 0xfff,
            Length = (long)record.Size,
            Owner = record.Uid,
            Inode = record.Inode,
            Device = (record.DeviceMajor, record.DeviceMinor),
            Modified = (record.ModifiedSeconds, record.ModifiedNanoseconds),
            Changed = (record.ChangedSeconds, record.ChangedNanoseconds),
        };
        return 0;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint directory, byte* path, nint flags, nint mask, Record* record);

    /// <summary><c>struct statx</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Record
    {
        [FieldOffset(20)]
        internal uint Uid;

        [FieldOffset(28)]
        internal ushort Mode;

        [FieldOffset(32)]
        internal ulong Inode;

        [FieldOffset(40)]
        internal ulong Size;

        [FieldOffset(96)]
        internal long ChangedSeconds;

        [FieldOffset(104)]
        internal uint ChangedNanoseconds;

        [FieldOffset(112)]
        internal long ModifiedSeconds;

        [FieldOffset(120)]
        internal uint ModifiedNanoseconds;

        [FieldOffset(136)]
        internal uint DeviceMajor;

        [FieldOffset(140)]
        internal uint DeviceMinor;
    }
}
