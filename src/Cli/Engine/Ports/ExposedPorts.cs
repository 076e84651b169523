using Telepresence.Cli.Engine.Listeners;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Ports;

/// <summary>
/// Ports that the pod opens for this machine: has it listen, and connects each caller to a program here.
/// </summary>
/// <remarks>
/// Nothing need listen here when the port is opened: it refuses its callers until something does. With another pod the ports are opened
/// again there; callers of the old one were reset with it.
/// </remarks>
internal sealed class ExposedPorts : IEngineService, IInboundStreams
{
    private const long DialTimeout = 30_000_000, DatagramIdleTimeout = 180_000_000;
    private static readonly NetAddress Any = NetAddress.Parse("::");

    private readonly LocalPorts _local;
    private readonly ListenerWatch _watch;
    private readonly IReadOnlyList<ExposedPort> _ports;
    private readonly Action<string> _tell;
    private readonly PortDialer _tcp;
    private readonly DatagramDialer _udp;
    private readonly Dictionary<uint, Listening> _open = [];
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MuxSession? _session;
    private int _answers;

    /// <summary>Prepares the ports; they are opened with the session. On the loop's thread.</summary>
    /// <param name="scope">The engine.</param>
    /// <param name="ports">Which.</param>
    /// <param name="local">Where on this machine programs are looked for.</param>
    /// <param name="watch">Knows whether one does.</param>
    /// <param name="tell">Told of a port that another pod could not open.</param>
    internal ExposedPorts(EngineScope scope, IReadOnlyList<ExposedPort> ports, LocalPorts local, ListenerWatch watch, Action<string> tell)
    {
        _ports = ports;
        _local = local;
        _watch = watch;
        _tell = tell;
        _tcp = new PortDialer(scope.Loop, scope.Pool, DialTimeout);
        _udp = new DatagramDialer(scope.Loop, DatagramIdleTimeout);
        if (ports.Count == 0)
            _opened.SetResult();
        else
            watch.Looked += OnLooked;
    }

    /// <summary>Ends when the first pod has opened all ports; fails with a <see cref="UserError"/> when it cannot open one.</summary>
    internal Task Opened => _opened.Task;

    /// <inheritdoc/>
    public void OnSession(MuxSession? session, long now)
    {
        _open.Clear();
        _session = session;
        if (session is null)
            return;
        foreach (ExposedPort port in _ports)
        {
            NetAddress address = port.PodLoopback ? NetAddress.FromIPv4(0x7f00_0001) : Any;
            byte[] target = new ListenTarget(port.IsUdp, new TargetAddress(address, port.Remote)).ToBytes();
            Listening listening = new(this, port);
            if (session.Open(StreamKind.Listen, target, listening, now) is { } stream)
            {
                _open.Add(stream.Id, listening);
                listening.Start(stream, now);
            }
            else
            {
                OnAnswer(port, "the session takes no more streams");
            }
        }
    }

    /// <inheritdoc/>
    public void OnStreamOpened(MuxSession session, MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (session != _session || stream.Kind is not (StreamKind.Accepted or StreamKind.Udp) || !AcceptedTarget.TryDecode(target, out AcceptedTarget accepted)
            || !_open.TryGetValue(accepted.ListenStreamId, out Listening? listening))
            stream.Refuse(RefuseCode.Prohibited, "no such port was asked for", now);
        else if (listening.Port.IsUdp)
            _udp.DialUdp(stream, _local.Datagrams, listening.Port.Local, now);
        else
            _tcp.Dial(stream, _local.Candidates, listening.Port.Local, now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch.Looked -= OnLooked;
        _opened.TrySetCanceled();
    }

    private void OnLooked(bool udp, long now)
    {
        if (udp)
            return;
        foreach (Listening listening in _open.Values)
            listening.Follow(now);
    }

    private void OnAnswer(ExposedPort port, string? refusal)
    {
        if (refusal is not null)
        {
            string what = $"the pod cannot open {(port.IsUdp ? "UDP" : "TCP")} port {port.Remote}: {refusal.TrimEnd('.')}";
            string option = port.PodLoopback ? "--from-pod" : "--expose";
            if (port.IsDeclared)
                _tell($"Port {port.Remote} that the Deployment declares is not forwarded: {what}.");
            else if (!_opened.TrySetException(new UserError(ExitCode.PortTaken, $"{option} {port}: {what}; choose another one.")))
                _tell($"{option} {port}: {what}.");
        }

        if (++_answers == _ports.Count)
            _opened.TrySetResult();
    }

    /// <summary>One open port in the pod.</summary>
    private sealed class Listening(ExposedPorts owner, ExposedPort port) : IMuxStreamHandler
    {
        private MuxStream? _stream;
        private bool _takesCallers;

        internal ExposedPort Port => port;

        internal void Start(MuxStream stream, long now)
        {
            _stream = stream;
            Follow(now);
        }

        /// <summary>Has the pod's port take callers for as long as there is somebody here who would.</summary>
        internal void Follow(long now)
        {
            bool served = !port.IsUdp && owner._watch.IsServed(port.Local);
            if (served == _takesCallers || _stream is null or { SendSpace: 0 })
                return;
            _stream.Write([served ? ListenTarget.TakeCallers : ListenTarget.RefuseCallers], now);
            _takesCallers = served;
            owner._watch.NoteChange(now);
        }

        public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now) => owner.OnAnswer(port, null);

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
        {
            owner._open.Remove(stream.Id);
            owner.OnAnswer(port, reason);
        }

        public void OnEnd(MuxStream stream, long now) => stream.WriteEnd(now);

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
            if (!owner._open.Remove(stream.Id))
                return;
            if (!stream.IsAccepted)
                owner.OnAnswer(port, "the session ended");
            else if (code != RefuseCode.SessionEnded)
                owner._tell($"Port {port.Remote} is not forwarded any more: the pod could not open it again ({code}).");
        }
    }
}
