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

    internal (int Descriptor, uint Registration, Readiness Readiness) this[int index]
    {
        get
        {
            ref byte at = ref _bytes[index * Size];
            ulong data = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, DataOffset));
            return ((int)(uint)data, (uint)(data >> 32), (Readiness)Unsafe.ReadUnaligned<uint>(ref at));
        }
    }

    /// <param name="epoll">The epoll descriptor.</param>
    /// <param name="operation">What to do.</param>
    /// <param name="fd">To which descriptor.</param>
    /// <param name="registration">Comes back with each of its events.</param>
    /// <param name="interest">What it is watched for.</param>
    internal static bool Control(int epoll, int operation, int fd, uint registration, Readiness interest)
    {
        byte* epollEvent = stackalloc byte[16];
        Unsafe.WriteUnaligned(epollEvent, (uint)interest);
        Unsafe.WriteUnaligned(epollEvent + DataOffset, (ulong)registration << 32 | (uint)fd);
        return Libc.epoll_ctl(epoll, operation, fd, epollEvent) == 0;
    }

    internal int Wait(int epoll, int timeoutMilliseconds) =>
        Libc.epoll_wait(epoll, Unsafe.AsPointer(ref _bytes[0]), capacity, timeoutMilliseconds);
}
