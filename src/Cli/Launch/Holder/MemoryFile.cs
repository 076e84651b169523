using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

using Microsoft.Win32.SafeHandles;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// A value on its way to another process in a file that exists in memory only: an environment may be larger than a message may be, and
/// what is secret in it does not stand in a message that somebody might log.
/// </summary>
internal static partial class MemoryFile
{
    private const uint MFD_CLOEXEC = 1;

    /// <summary>Writes a value; the descriptor is to be sent.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static FileDescriptor Write<T>(T value, JsonTypeInfo<T> type)
    {
        int fd = memfd_create("telepresence", MFD_CLOEXEC);
        if (fd < 0)
            throw Posix.Failure("memfd_create");
        FileDescriptor file = new(fd);
        using SafeFileHandle handle = new(fd, ownsHandle: false);
        RandomAccess.Write(handle, JsonSerializer.SerializeToUtf8Bytes(value, type), 0);
        return file;
    }

    /// <summary>Reads it again.</summary>
    /// <exception cref="IOException">It is something else.</exception>
    internal static T Read<T>(FileDescriptor file, JsonTypeInfo<T> type)
    {
        using SafeFileHandle handle = new(file.Number, ownsHandle: false);
        byte[] bytes = new byte[RandomAccess.GetLength(handle)];
        int count = RandomAccess.Read(handle, bytes, 0);
        try
        {
            return JsonSerializer.Deserialize(bytes.AsSpan(0, count), type) ?? throw new IOException("an empty value");
        }
        catch (JsonException fault)
        {
            throw new IOException($"a value that makes no sense: {fault.Message}", fault);
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
}
