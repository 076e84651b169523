using System.Globalization;
using System.Net.Sockets;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>Listens for front ends on a Unix socket and serves each as a task.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly string _path;
    private readonly ulong? _inode;
    private readonly uint _uid;
    private readonly Func<ControlConnection, CancellationToken, Task> _serve;
    private readonly FileLog _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;
    private int _connections;

    private ControlServer(Socket listener, string path, ulong? inode, uint uid, Func<ControlConnection, CancellationToken, Task> serve, FileLog log)
    {
        _listener = listener;
        _path = path;
        _inode = inode;
        _uid = uid;
        _serve = serve;
        _log = log;
        _accepting = AcceptAsync();
    }

    /// <summary>Called when the last connection has ended.</summary>
    internal Action? Idle { get; set; }

    /// <summary>How many front ends are connected.</summary>
    internal int Connections => Volatile.Read(ref _connections);

    /// <summary>Begins to listen; a socket that a dead daemon left is replaced.</summary>
    /// <param name="path">Path; the socket is readable and writable by its owner only.</param>
    /// <param name="uid">Who may connect, besides root.</param>
    /// <param name="serve">Serves one connection.</param>
    /// <param name="log">For what goes wrong with one connection.</param>
    internal static ControlServer Start(string path, uint uid, Func<ControlConnection, CancellationToken, Task> serve, FileLog log)
    {
        // Under another name until it is complete: nobody finds a socket that everybody may open, or that nobody listens on yet.
        string first = Path.Combine(Path.GetDirectoryName(path)!, string.Create(CultureInfo.InvariantCulture, $".{Environment.ProcessId}"));
        File.Delete(first);
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(first));
            File.SetUnixFileMode(first, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(16);
            ulong? inode = InodeOf(first);
            File.Move(first, path, overwrite: true);
            return new ControlServer(listener, path, inode, uid, serve, log);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Takes no more connections, and ends those that do not end by themselves within a second.</summary>
    public async ValueTask DisposeAsync()
    {
        // A daemon that was started meanwhile may have put its own there.
        if (InodeOf(_path) == _inode)
            File.Delete(_path);
        _listener.Dispose();
        await _accepting;
        for (int wait = 0; wait < 50 && Connections > 0; wait++)
            await Task.Delay(20);
        await _stopping.CancelAsync();
        _stopping.Dispose();
    }

    private static ulong? InodeOf(string path) => FileStatus.Read(path, follow: false, out FileStatus status) == 0 ? status.Inode : null;

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            Interlocked.Increment(ref _connections);
            _ = ServeAsync(new ControlConnection(socket));
        }
    }

    private async Task ServeAsync(ControlConnection connection)
    {
        try
        {
            await using (connection)
            {
                if (connection.PeerIs(_uid))
                    await _serve(connection, _stopping.Token);
            }
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException)
        {
            // The front end went away in the middle, or the daemon ends.
            _log.Detail($"a front end's connection ended: {fault.Message}");
        }
        catch (Exception fault)
        {
            // The one catch-all of a connection: a bug in serving it is the end of that connection alone.
            _log.Write($"bug while serving a front end: {fault}");
        }

        if (Interlocked.Decrement(ref _connections) == 0)
            Idle?.Invoke();
    }
}
