using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>
/// An entry in the user database for whoever this container runs as. sftp-server does not start for a user that the database does not know,
/// and a pod's spec, or the cluster, may choose any number.
/// </summary>
/// <remarks>The image's root is read-only, so the entry is a file in memory, which nss_wrapper (in the image) shows to the program.</remarks>
internal sealed unsafe partial class UserEntry : IDisposable
{
    private const string Wrapper = "/usr/lib/x86_64-linux-gnu/libnss_wrapper.so";
    private const uint CloseOnExec = 1;

    private UserEntry(FileDescriptor file) => File = file;

    /// <summary>To become descriptor 3 of the program.</summary>
    internal FileDescriptor File { get; }

    /// <summary>Variables for the program.</summary>
    internal static IReadOnlyList<string> Variables { get; } =
        [$"LD_PRELOAD={Wrapper}", "NSS_WRAPPER_PASSWD=/proc/self/fd/3", "NSS_WRAPPER_GROUP=/etc/group"];

    /// <summary>Makes the entry; null where it is not needed, or nss_wrapper is not there.</summary>
    internal static UserEntry? Make()
    {
        uint uid = getuid();
        if (!System.IO.File.Exists(Wrapper) || IsKnown(uid, System.IO.File.ReadLines("/etc/passwd")))
            return null;
        int fd = memfd_create("passwd", CloseOnExec);
        if (fd < 0)
            return null;
        FileDescriptor file = new(fd);
        byte[] line = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"telepresence:x:{uid}:{getgid()}:telepresence:/:/usr/sbin/nologin\n"));
        fixed (byte* at = line)
            _ = Libc.write(fd, at, (nuint)line.Length);
        return new UserEntry(file);
    }

    /// <summary>Whether passwd(5) lines name a user of this number.</summary>
    internal static bool IsKnown(uint uid, IEnumerable<string> lines) =>
        lines.Any(line => line.Split(':') is [_, _, string number, ..] && number == uid.ToString(CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    [LibraryImport("libc")]
    private static partial uint getuid();

    [LibraryImport("libc")]
    private static partial uint getgid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);
}
