using System.Runtime.InteropServices;

using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>Stops the proxy on SIGTERM and SIGINT: goodbyes first, then, when they are sent or after a moment, the loop.</summary>
internal sealed class Farewell : ITurnHandler, IDisposable
{
    private const long Patience = 2_000_000, LookAgain = 20_000;

    private readonly ProxyHost _host;
    private readonly PosixSignalRegistration[] _registrations;
    private long _deadline = long.MaxValue;

    internal Farewell(ProxyHost host)
    {
        _host = host;
        host.Loop.AddTurnHandler(this);
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
        ];
    }

    /// <inheritdoc/>
    public long NextDeadline { get; private set; } = long.MaxValue;

    /// <inheritdoc/>
    public void OnTurn(long now)
    {
        if (_deadline == long.MaxValue)
            return;
        NextDeadline = now + LookAgain;
        if (now >= _deadline || !_host.HasLinks)
            _host.Loop.Stop();
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        _host.Loop.Post(() =>
        {
            _deadline = _host.Loop.Now + Patience;
            _host.SayGoodbye("the proxy pod is being stopped");
        });
    }
}
