using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

public sealed class EchoBridgeTests
{
    private readonly EchoBridge _bridge = new();

    [Fact]
    public void The_end_of_an_old_session_does_not_touch_the_streams_of_the_new_one()
    {
        MuxSession old = Session(), current = Session();
        Ping(old);
        _bridge.SessionChanged();
        Ping(current);
        old.End("test", 1);
        Ping(current);
        Assert.Equal((0, 1), (old.StreamCount, current.StreamCount));
    }

    private static MuxSession Session() =>
        new(SessionRole.Client, new MuxSessionOptions { Version = "1", Key = new byte[32] }, new ChunkPool(), new SessionEvents(null), 0);

    private void Ping(MuxSession session) =>
        _bridge.Send(new EchoRequest(NetAddress.Parse("198.18.77.1"), NetAddress.Parse("10.0.0.1"), 1, 1, []), session, 0);
}
