using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Telepresence.Tunnel.Io;

/// <summary>
/// The array that epoll_wait(2) fills. <c>struct epoll_event</c> is packed to 12 bytes on x86-64 and has 16 bytes elsewhere, so it is
/// read by offset and not as a type.
/// </summary>
internal sealed unsafe class EpollEventBuffer(int capacity)
{
    private static readonly bool Packed = RuntimeInformation.ProcessArchitecture == Architecture.X64;
    private static readonly int Size = Packed ? 12 : 16;
    private static readonly int DataOffset = Packed ? 4 : 8;

    private readonly byte[] _bytes = GC.AllocateArray<byte>(capacity * 16, pinned: true);

    internal (int Descriptor, Readiness Readiness) this[int index]
    {
        get
        {
            ref byte at = ref _bytes[index * Size];
            return (Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref at, DataOffset)), (Readiness)Unsafe.ReadUnaligned<uint>(ref at));
        }
    }

    internal static bool Control(int epoll, int operation, int fd, Readiness interest)
    {
        byte* epollEvent = stackalloc byte[16];
        Unsafe.WriteUnaligned(epollEvent, (uint)interest);
        Unsafe.WriteUnaligned(epollEvent + DataOffset, (long)fd);
        return Libc.epoll_ctl(epoll, operation, fd, epollEvent) == 0;
    }

    internal int Wait(int epoll, int timeoutMilliseconds) =>
        Libc.epoll_wait(epoll, Unsafe.AsPointer(ref _bytes[0]), capacity, timeoutMilliseconds);
}
