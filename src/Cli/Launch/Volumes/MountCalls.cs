using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>mount(2), umount2(2) and pivot_root(2).</summary>
internal static unsafe partial class MountCalls
{
    private const nuint ReadOnly = 1, NoSuid = 2, NoDev = 4, Remount = 32, BindFlag = 4096, MoveFlag = 8192, Recursive = 16384,
        Unbindable = 1 << 17, Private = 1 << 18, Slave = 1 << 19;

    private const int LazyFlag = 2;

    // The flags of a mount that a user namespace may not take away, as statvfs(3) and mount(2) both number them.
    private const ulong Inherited = 2 | 4 | 8 | 1024 | 2048;

    private static readonly nint PivotRootCall = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 41 : 155;

    /// <summary>Nothing that is mounted here is seen elsewhere; what is mounted elsewhere still comes.</summary>
    internal static void LeaveHost() => Call(null, "/", null, Recursive | Slave, null, "making the mounts private");

    /// <summary>Mounts FUSE for a user's server, which serves it through a descriptor of /dev/fuse; everybody may use it.</summary>
    internal static void Fuse(string source, string target, int device, uint uid, uint gid, bool readOnly) =>
        Call(source, target, "fuse.sshfs", NoSuid | NoDev | (readOnly ? ReadOnly : 0), $"fd={device},rootmode=40000,user_id={uid},group_id={gid},allow_other", $"mounting FUSE at {target}");

    /// <summary>Shows the files of a directory among those of another one, which is read-only from then on.</summary>
    internal static void Overlay(string upper, string target) =>
        Call("telepresence", target, "overlay", ReadOnly, $"lowerdir={upper}:{target}", $"laying {upper} over {target}");

    /// <summary>Shows a file, or a directory with all that is mounted in it, at another place.</summary>
    internal static void Bind(string source, string target) => Call(source, target, null, BindFlag | Recursive, null, $"binding {source} to {target}");

    /// <summary>Makes a bind mount read-only, and nothing in it a device or set-user-ID.</summary>
    internal static void MakeReadOnly(string target) =>
        Call(null, target, null, BindFlag | Remount | ReadOnly | NoSuid | NoDev | FlagsOf(target), null, $"making {target} read-only");

    /// <summary>Mounts an empty file system in memory.</summary>
    internal static void Tmpfs(string target, bool readOnly = false) =>
        Call("telepresence", target, "tmpfs", NoSuid | NoDev | (readOnly ? ReadOnly : 0), "mode=755,size=16m", $"mounting a tmpfs at {target}");

    /// <summary>Makes a whole file system read-only.</summary>
    internal static void MakeTmpfsReadOnly(string target) =>
        Call("telepresence", target, "tmpfs", NoSuid | NoDev | Remount | ReadOnly, "mode=755,size=16m", $"making {target} read-only");

    /// <summary>And writable again.</summary>
    internal static void MakeTmpfsWritable(string target) =>
        Call("telepresence", target, "tmpfs", NoSuid | NoDev | Remount, "mode=755,size=16m", $"making {target} writable");

    /// <summary>A mount that is not copied when what it lies in is bound elsewhere.</summary>
    internal static void MakeUnbindable(string target) => Call(null, target, null, Unbindable, null, $"mount {target}");

    /// <summary>Undoes <see cref="MakeUnbindable"/>.</summary>
    internal static void MakePrivate(string target) => Call(null, target, null, Private, null, $"mount {target}");

    /// <summary>Moves a mount with all that is mounted in it, in one step.</summary>
    internal static void Move(string source, string target) => Call(source, target, null, MoveFlag, null, $"moving a mount to {target}");

    /// <summary>Takes a mount away; programs that use it keep what they have open.</summary>
    /// <returns>Whether there was one.</returns>
    internal static bool Detach(string target)
    {
        fixed (byte* at = Bytes(target))
            return umount2(at, LazyFlag) == 0;
    }

    /// <summary>Makes a mount the root directory of everything in this namespace, and takes the old one away.</summary>
    /// <param name="root">The mount.</param>
    /// <param name="old">Name of an empty directory in it.</param>
    internal static void PivotRoot(string root, string old)
    {
        fixed (byte* newRoot = Bytes(root), oldRoot = Bytes($"{root}/{old}"))
        {
            if (syscall(PivotRootCall, newRoot, oldRoot) != 0)
                throw Libc.Failure("pivot_root");
        }

        if (!Detach("/" + old))
            throw Libc.Failure("taking the old root directory away");
    }

    private static void Call(string? source, string target, string? type, nuint flags, string? data, string what)
    {
        fixed (byte* from = Bytes(source), to = Bytes(target), kind = Bytes(type), options = Bytes(data))
        {
            if (mount(from, to, kind, flags, options) != 0)
                throw Libc.Failure(what);
        }
    }

    // struct statvfs of 64-bit Linux: f_flag is its tenth word.
    private static nuint FlagsOf(string path)
    {
        const int words = 32, flagWord = 9;
        ulong* status = stackalloc ulong[words];
        fixed (byte* at = Bytes(path))
            return statvfs(at, status) == 0 ? (nuint)(status[flagWord] & Inherited) : 0;
    }

    private static byte[]? Bytes(string? text) => text is null ? null : Encoding.UTF8.GetBytes(text + '\0');

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mount(byte* source, byte* target, byte* type, nuint flags, byte* data);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int umount2(byte* target, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int statvfs(byte* path, ulong* status);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, byte* first, byte* second);
}
