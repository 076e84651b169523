using System.Buffers.Binary;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>A client made of bare frames, which may say what no honest client would, and the proxy's session that has to bear it.</summary>
internal sealed class RawClient
{
    private readonly MuxSessionOptions _options;
    private uint _sequence;

    internal RawClient(MuxSessionOptions? options = null)
    {
        _options = (options ?? new MuxSessionOptions { Version = "1" }) with { SessionId = Guid.NewGuid(), Key = SessionPair.Key };
        Session = new MuxSession(SessionRole.Server, _options with { Key = default }, Pool, End, Now);
        Link();
    }

    internal long Now { get; set; } = 5_000_000;

    internal ChunkPool Pool { get; } = new();

    internal SessionEnd End { get; } = new();

    internal MuxSession Session { get; }

    /// <summary>Everything that the session said on its links, behind the welcome.</summary>
    internal FrameTap Heard { get; } = new();

    internal RecordingStream Stream(int index) => End.Opened[index];

    /// <summary>A new link, which says that it has received frames before <paramref name="received"/>.</summary>
    internal void Link(uint received = 0)
    {
        byte[] bytes = new byte[Hello.MaxSize];
        int length = Hello.Write(bytes, _options, resuming: false, received);
        Assert.Equal(HelloParse.Ok, Hello.TryParse(bytes.AsSpan(0, length), out Hello hello, out _));
        Assert.Equal(HelloRefusal.None, Session.AcceptLink(hello, Now));
        var pipe = new FakePipe();
        Wire.Send(Session, pipe, 12 + _options.Version.Length + 9, Now);
    }

    internal static byte[] Frame(FrameType type, byte detail, uint sequence, uint stream, byte[] payload)
    {
        byte[] bytes = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(type, detail, payload.Length, sequence, stream).Write(bytes);
        payload.CopyTo(bytes, FrameHeader.Size);
        return bytes;
    }

    /// <summary>Sends a frame; a sequenced one gets the next number.</summary>
    internal byte[] Send(FrameType type, uint stream = 0, byte[]? payload = null, byte detail = 0)
    {
        bool sequenced = (byte)type >= 16;
        byte[] frame = Frame(type, detail, sequenced ? _sequence++ : 0, stream, payload ?? []);
        Raw(frame);
        return frame;
    }

    internal void Raw(ReadOnlySpan<byte> bytes)
    {
        Session.Receive(bytes, Now);
        Listen();
    }

    internal void SetNext(uint sequence) => _sequence = sequence;

    internal void Open(uint stream, StreamKind kind = StreamKind.Tcp, uint credit = 100_000)
    {
        byte[] payload = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(payload, credit);
        Send(FrameType.Open, stream, payload, (byte)kind);
    }

    internal void Listen()
    {
        var pipe = new FakePipe();
        while (Session.HasOutput && Wire.Send(Session, pipe, int.MaxValue, Now) > 0)
        {
        }

        while (pipe.Buffered > 0)
            Heard.Feed(pipe.Take(int.MaxValue, Now));
    }
}
