using System.Net;
using System.Security.Cryptography;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Tests.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy.Tests;

/// <summary>A laptop: one session with a proxy that listens on a loopback port, over links that can be cut.</summary>
internal sealed class ProxyClient : IDisposable
{
    internal static readonly byte[] Key = SHA256.HashData("a test's session key"u8);

    private readonly ChunkPool _pool = new();
    private FileDescriptor? _link;

    internal ProxyClient(string version = "1.0.0", byte[]? key = null)
    {
        MuxSessionOptions options = new() { Version = version, SessionId = Guid.NewGuid(), Key = key ?? Key };
        Session = new MuxSession(SessionRole.Client, options, _pool, Events, Turns.Loop.Now);
        Events.Pump = Pump = new LinkPump(Turns.Loop, Session);
    }

    internal static string KeyHash => Convert.ToHexStringLower(SHA256.HashData(Key));

    internal TestLoop Turns { get; } = new();

    internal SessionEvents Events { get; } = new(null);

    internal MuxSession Session { get; }

    internal LinkPump Pump { get; }

    internal long Now => Turns.Loop.Now;

    /// <summary>Makes a link and waits until the proxy has let it in or turned it away.</summary>
    internal void Link(ushort port)
    {
        FileDescriptor link = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM) ?? throw Libc.Failure("socket");
        int error = SocketOptions.Connect(link, NetAddress.FromIPAddress(IPAddress.Loopback), port);
        Assert.True(error is 0 or Libc.EINPROGRESS, Libc.Describe(error));
        _link = link;
        Session.LinkUp(Now);
        Pump.Attach(link);
        Turns.Until(() => Session.State is SessionState.Established or SessionState.Ended || !Pump.IsAttached);
    }

    /// <summary>Cuts the link as a broken network does: what the kernel holds is lost.</summary>
    internal void Cut()
    {
        Assert.Equal(0, Libc.shutdown(_link!.Number, 2));
        Turns.Until(() => !Pump.IsAttached);
    }

    internal MuxStream Open(StreamKind kind, byte[] target, StreamRecorder recorder) => Session.Open(kind, target, recorder, Now)!;

    public void Dispose()
    {
        Pump.Dispose();
        Turns.Dispose();
    }
}
