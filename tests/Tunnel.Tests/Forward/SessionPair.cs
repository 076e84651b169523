using System.Security.Cryptography;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>A client's and a server's session on one event loop, each with its pump, over socket pairs that can be cut.</summary>
internal sealed class SessionPair : IDisposable
{
    private static readonly byte[] Key = SHA256.HashData("key"u8);

    private readonly LinkAcceptor _door;
    private FileDescriptor? _clientEnd;

    internal SessionPair(Action<MuxStream, byte[], long>? serve = null)
    {
        MuxSessionOptions options = new() { Version = "1.0.0", SessionId = Guid.NewGuid(), Key = Key };
        ClientEvents = new SessionEvents(null);
        Client = new MuxSession(SessionRole.Client, options, Pool, ClientEvents, Loop.Now);
        ClientEvents.Pump = ClientPump = new LinkPump(Loop, Client);
        ServerEvents = new SessionEvents(serve);
        MuxAcceptor acceptor = new(new MuxSessionOptions { Version = "1.0.0" }, SHA256.HashData(Key), 4, (settings, now) =>
        {
            Server = new MuxSession(SessionRole.Server, settings, Pool, ServerEvents, now);
            ServerEvents.Pump = ServerPump = new LinkPump(Loop, Server);
            return Server;
        });
        _door = new LinkAcceptor(Loop, acceptor, Admit, line => throw new InvalidOperationException(line), 4, 10_000_000);
    }

    internal TestLoop Turns { get; } = new();

    internal EventLoop Loop => Turns.Loop;

    internal ChunkPool Pool { get; } = new();

    internal MuxSession Client { get; }

    internal LinkPump ClientPump { get; }

    internal SessionEvents ClientEvents { get; }

    internal MuxSession? Server { get; private set; }

    internal LinkPump? ServerPump { get; private set; }

    internal SessionEvents ServerEvents { get; }

    /// <summary>A new link, up to the end of the handshake.</summary>
    internal void Link(ILinkFraming? framing = null)
    {
        (FileDescriptor near, FileDescriptor far) = Sockets.Pair();
        _clientEnd = near;
        _door.Take(far, Loop.Now);
        Client.LinkUp(Loop.Now);
        ClientPump.Attach(near, framing);
        Turns.Until(() => Client.State == SessionState.Established && Server?.State == SessionState.Established);
    }

    /// <summary>Cuts the link as a broken network does: whatever the kernel holds is lost.</summary>
    internal void Cut()
    {
        if (_clientEnd is { IsClosed: false } end)
            Assert.Equal(0, Libc.shutdown(end.Number, 2));
        Turns.Until(() => !ClientPump.IsAttached && ServerPump is not { IsAttached: true });
    }

    public void Dispose()
    {
        ClientPump.Dispose();
        ServerPump?.Dispose();
        Turns.Dispose();
    }

    private void Admit(MuxSession session, FileDescriptor link, ReadOnlySpan<byte> rest, long now)
    {
        ServerPump!.Attach(link);
        session.Receive(rest, now);
    }
}
