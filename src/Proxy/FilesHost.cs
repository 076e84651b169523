using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy;

/// <summary>
/// Serves streams of kind <see cref="StreamKind.Files"/>: OpenSSH's sftp-server speaks over the stream, one process for each. No sshd, no
/// keys, no password: who may open a stream has shown the session key.
/// </summary>
/// <remarks>The target is empty or one byte: 0 read-only (also when empty), 1 writable as far as the container's user may write.</remarks>
internal sealed class FilesHost(EventLoop loop, ChunkPool pool, Action<string> log, string serverPath = FilesHost.ServerPath)
{
    internal const string ServerPath = "/usr/lib/openssh/sftp-server";
    private const int MaxServers = 16;

    private int _servers;

    internal unsafe void Serve(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (target.Length > 1 || (target.Length == 1 && target[0] > 1))
        {
            stream.Refuse(RefuseCode.ProtocolError, "malformed target", now);
            return;
        }

        if (_servers >= MaxServers)
        {
            stream.Refuse(RefuseCode.NoResources, $"{MaxServers} file servers are running already", now);
            return;
        }

        if (!File.Exists(serverPath))
        {
            stream.Refuse(RefuseCode.Unsupported, $"this pod's image has no {serverPath}, so it cannot serve files", now);
            return;
        }

        int* pair = stackalloc int[2];
        if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) != 0)
        {
            stream.Refuse(RefuseCode.NoResources, Libc.Describe(Libc.Errno), now);
            return;
        }

        // Ours is used with MSG_DONTWAIT throughout; the server expects a blocking one.
        FileDescriptor near = new(pair[0]);
        using FileDescriptor far = new(pair[1]);
        bool writable = target.Length == 1 && target[0] == 1;
        try
        {
            string[] arguments = writable ? ["sftp-server", "-e"] : ["sftp-server", "-e", "-R"];
            using UserEntry? user = UserEntry.Make();
            ChildProcess.Start(loop, serverPath, arguments, user is null ? [] : UserEntry.Variables, far, user?.File, OnExited);
        }
        catch (IOException fault)
        {
            near.Dispose();
            stream.Refuse(RefuseCode.Internal, fault.Message, now);
            return;
        }

        _servers++;
        log($"file server started, {(writable ? "writable" : "read-only")}");
        stream.Accept(default, now);
        new SocketRelay(loop, near, stream, new ByteQueue(pool)).Start(now);
    }

    private void OnExited(int status)
    {
        _servers--;
        if (status != 0)
            log($"file server ended with wait status 0x{status:x}");
    }
}
