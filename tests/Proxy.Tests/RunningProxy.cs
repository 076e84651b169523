using System.Collections.Concurrent;
using System.Net;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy.Tests;

/// <summary>A proxy on a thread of its own, on a free loopback port.</summary>
internal sealed class RunningProxy : IAsyncDisposable
{
    private readonly EventLoop _loop = new();
    private readonly ProxyHost _host;
    private readonly Restorer? _restorer;
    private readonly Task _running;

    internal RunningProxy(ushort nameServerPort = 53, ushort port = 0, bool takesFirstKey = false, RestoreOrder? restore = null, Func<RestoreClient>? restoreClient = null)
    {
        ProxySettings settings = ProxySettings.Read(name => name == ProxySettings.KeyHashVariable && !takesFirstKey ? ProxyClient.KeyHash : null);
        TargetAddress nameServer = new(NetAddress.FromIPAddress(IPAddress.Loopback), nameServerPort);
        _host = new ProxyHost(_loop, settings, "1.0.0", [nameServer], Lines.Enqueue);
        _host.Listen(port);
        Port = _host.Port;
        if (restore is not null)
            _restorer = new Restorer(_host, restore, restoreClient!, TimeProvider.System, Lines.Enqueue);
        _running = _loop.Start("proxy");
    }

    internal ushort Port { get; }

    internal ConcurrentQueue<string> Lines { get; } = new();

    internal void SayGoodbye(string reason) => _loop.Post(() => _host.SayGoodbye(reason));

    public async ValueTask DisposeAsync()
    {
        // Closed sockets of a real process would be reset by the kernel; here the loop's end leaves them to the finalizer.
        if (_restorer is not null)
            _loop.Post(_restorer.Dispose);
        _loop.Post(_host.Dispose);
        _loop.Post(_loop.Stop);
        await _running;
        _loop.Dispose();
    }
}
