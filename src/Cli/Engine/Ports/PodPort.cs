using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Ports;

/// <summary>
/// A port on this machine's loopback that leads to the same port on the pod's (<c>--to-pod</c>), where the containers beside the proxy
/// listen.
/// </summary>
internal sealed class PodPort : IEngineService, IReadyHandler
{
    private const int Backlog = 128, AcceptsPerReady = 32;
    private static readonly NetAddress Loopback = NetAddress.FromIPv4(0x7f00_0001);

    private readonly EngineScope _scope;
    private readonly ushort _port;
    private readonly FileDescriptor _listener;
    private readonly SpareDescriptor _spare = new();
    private MuxSession? _session;

    /// <summary>Opens the port. On the loop's thread.</summary>
    /// <param name="scope">The engine.</param>
    /// <param name="port">Here and there.</param>
    /// <param name="local">Where here is.</param>
    /// <exception cref="UserError">The port is taken here.</exception>
    internal PodPort(EngineScope scope, ushort port, LocalPorts local)
    {
        _scope = scope;
        _port = port;
        FileDescriptor socket = (local.Inside ?? OwnSockets.Instance).Open(Libc.AF_INET, Libc.SOCK_STREAM, out int errno) ?? throw Refused(errno);
        SocketOptions.Set(socket.Number, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        int error = SocketOptions.Bind(socket, Loopback, port, Libc.AF_INET);
        if (error == 0 && Libc.listen(socket.Number, Backlog) != 0)
            error = Libc.Errno;
        if (error != 0)
        {
            socket.Dispose();
            throw Refused(error);
        }

        _listener = socket;
        scope.Loop.Add(socket.Number, Readiness.Read, this);
    }

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now) => _session = session;

    /// <inheritdoc/>
    public void OnReady(Readiness readiness, long now)
    {
        for (int i = 0; i < AcceptsPerReady; i++)
        {
            if (_spare.Accept(_listener, out _) is not { } connection)
                return;
            Connect(connection, now);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scope.Loop.Remove(_listener.Number);
        _listener.Dispose();
        _spare.Close();
    }

    private void Connect(FileDescriptor connection, long now)
    {
        SocketOptions.PrepareConnection(connection.Number);
        MuxStream? stream = _session?.Open(StreamKind.Tcp, new TargetAddress(Loopback, _port).ToBytes(), Unowned.Instance, now);
        if (stream is null)
        {
            SocketOptions.ResetOnClose(connection.Number);
            connection.Dispose();
            return;
        }

        new SocketRelay(_scope.Loop, connection, stream, new ByteQueue(_scope.Pool)).Start(now);
    }

    private UserError Refused(int errno) => errno == Libc.EADDRINUSE
        ? new UserError(ExitCode.PortTaken, $"--to-pod {_port}: port {_port} is already in use on this machine; end what listens there (ss -ltnp shows it), or choose another port.")
        : new UserError(ExitCode.PortTaken, $"--to-pod {_port}: port {_port} cannot be opened on this machine: {Libc.Describe(errno)}.");

    /// <summary>Stands in for the relay until that takes the stream over, in the same call.</summary>
    private sealed class Unowned : IMuxStreamHandler
    {
        internal static readonly Unowned Instance = new();

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
        {
        }

        public void OnEnd(MuxStream stream, long now)
        {
        }

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
        }
    }
}
