using System.Text;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tun;

/// <summary>
/// A TUN device with the 10-byte virtio-net header in front of each packet and with checksum and segmentation offload, so that
/// up to 64 KiB of TCP pass in one system call and nobody sums bytes.
/// </summary>
/// <remarks>
/// Theory: the kernel treats a TUN as a network card that says what it can do. With TUNSETOFFLOAD(CSUM, TSO4, TSO6) the kernel hands
/// over whole TCP super-packets with partial checksums; with IFF_VNET_HDR what we write may be the same. See
/// Documentation/networking/tuntap.rst and the virtio specification, 5.1.6.
/// </remarks>
public sealed unsafe class TunDevice : IDisposable
{
    /// <summary>Length in bytes of the virtio-net header in front of each packet.</summary>
    public const int VirtioHeaderLength = 10;

    /// <summary>Room that one read needs: header, IP packet of 65,535 bytes and a little.</summary>
    public const int MaxFrameLength = VirtioHeaderLength + 65_536;

    private const nuint TUNSETIFF = 0x400454ca, TUNSETOFFLOAD = 0x400454d0, TUNSETVNETHDRSZ = 0x400454d8, TUNGETIFF = 0x800454d2;
    private const short IFF_TUN = 1, IFF_NO_PI = 0x1000, IFF_VNET_HDR = 0x4000;
    private const int TUN_F_CSUM = 1, TUN_F_TSO4 = 2, TUN_F_TSO6 = 4;

    private readonly FileDescriptor _file;

    private TunDevice(FileDescriptor file, string name)
    {
        _file = file;
        Name = name;
    }

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>The descriptor, for an <see cref="EventLoop"/> or to hand to another process.</summary>
    public FileDescriptor Descriptor => _file;

    /// <summary>Packets that the kernel would not take because its queue was full or the interface was down.</summary>
    public long WriteFailures { get; private set; }

    /// <summary>Creates an interface; it lives until the last descriptor to it is closed.</summary>
    /// <param name="name">Interface name, at most 15 bytes; <c>%d</c> in it is numbered by the kernel.</param>
    /// <exception cref="IOException">No /dev/net/tun, no permission, or the name is taken. <see cref="Exception.HResult"/> is errno.</exception>
    public static TunDevice Create(string name)
    {
        int fd;
        fixed (byte* path = "/dev/net/tun\0"u8)
            fd = Libc.open(path, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC);
        if (fd < 0)
            throw Libc.Failure("/dev/net/tun");
        FileDescriptor file = new(fd);
        InterfaceRequest request = new(name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
        if (Libc.ioctl(fd, TUNSETIFF, &request) != 0)
            throw CloseAndFail(file, $"creating the interface {name}");
        int headerLength = VirtioHeaderLength;
        if (Libc.ioctl(fd, TUNSETVNETHDRSZ, &headerLength) != 0)
            throw CloseAndFail(file, "TUNSETVNETHDRSZ");
        if (Libc.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
            throw CloseAndFail(file, "TUNSETOFFLOAD");
        return new TunDevice(file, request.Name);
    }

    /// <summary>Takes over a descriptor that another process made with <see cref="Create"/> and sent here.</summary>
    /// <exception cref="IOException">It is not a TUN descriptor.</exception>
    public static TunDevice FromDescriptor(FileDescriptor file)
    {
        InterfaceRequest request = default;
        if (Libc.ioctl(file.Number, TUNGETIFF, &request) != 0)
            throw Libc.Failure("the descriptor that was handed over as a TUN device");
        return new TunDevice(file, request.Name);
    }

    /// <summary>Reads one frame: virtio-net header and IP packet.</summary>
    /// <param name="buffer">At least <see cref="MaxFrameLength"/> bytes.</param>
    /// <returns>Its length, or 0 when none is waiting.</returns>
    /// <exception cref="IOException">The interface is gone.</exception>
    public int Read(Span<byte> buffer)
    {
        while (true)
        {
            nint count;
            fixed (byte* at = buffer)
                count = Libc.read(_file.Number, at, (nuint)buffer.Length);
            if (count >= 0)
                return (int)count;
            int errno = Libc.Errno;
            if (errno == Libc.EINTR)
                continue;

            // EIO: the interface is down; it may come up again.
            return errno is Libc.EAGAIN or Libc.EIO ? 0 : throw Libc.Failure($"reading {Name}");
        }
    }

    /// <summary>Writes one frame, virtio-net header first, from pieces of pinned memory.</summary>
    /// <returns>False when the kernel did not take it: its queue is full, memory is short, or the interface is down.</returns>
    public bool Write(ReadOnlySpan<IoVector> vectors)
    {
        fixed (IoVector* at = vectors)
        {
            while (Libc.writev(_file.Number, at, vectors.Length) < 0)
            {
                if (Libc.Errno == Libc.EINTR)
                    continue;
                WriteFailures++;
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static IOException CloseAndFail(FileDescriptor file, string what)
    {
        IOException failure = Libc.Failure(what);
        file.Dispose();
        return failure;
    }

    /// <summary><c>struct ifreq</c> with a name and flags.</summary>
    private struct InterfaceRequest
    {
        private fixed byte _name[16];
        private readonly short _flags;
        private fixed byte _rest[22];

        internal InterfaceRequest(string name, short flags)
        {
            byte[] bytes = Encoding.ASCII.GetBytes(name);
            if (bytes.Length is 0 or > 15)
                throw new ArgumentException($"An interface name has 1 to 15 bytes; '{name}' has {bytes.Length}.", nameof(name));
            for (int i = 0; i < bytes.Length; i++)
                _name[i] = bytes[i];
            _flags = flags;
        }

        internal readonly string Name
        {
            get
            {
                fixed (byte* at = _name)
                    return Encoding.ASCII.GetString(at, 16).TrimEnd('\0');
            }
        }
    }
}
