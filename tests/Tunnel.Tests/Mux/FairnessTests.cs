namespace Telepresence.Tunnel.Tests.Mux;

public sealed class FairnessTests
{
    private const long Second = 1_000_000;

    // Acknowledgements, pings and credits that may go first.
    private const int SmallChange = 300;

    private readonly SessionPair _pair = SessionPair.Connected();
    private readonly FrameTap _tap = new();
    private readonly byte[] _block = new byte[65_536];

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void A_keystroke_waits_for_one_frame_of_the_bulk_at_most(int bulkStreams)
    {
        RecordingStream[] bulk = [.. Enumerable.Range(0, bulkStreams).Select(_ => _pair.Open())];
        RecordingStream keys = _pair.Open();
        _pair.Run(Second);
        var random = new Random(7);
        int frame = bulkStreams == 1 ? _pair.Options.MaxFrame : _pair.Options.SharedFrame;
        for (int i = 0; i < 500; i++)
        {
            Fill(bulk);
            Send(random.Next(1, 100_000));
            long pressed = _tap.Position;
            keys.Stream.Write([(byte)i], _pair.Now);
            Fill(bulk);
            _tap.Frames.Clear();
            long position = -1;
            while (position < 0 && _tap.Position < pressed + (2 * frame))
            {
                Send(random.Next(1, 4096));
                position = _tap.Frames.Where(seen => seen.Header.StreamId == keys.Stream.Id).Select(seen => seen.Position).FirstOrDefault(-1);
            }

            Assert.InRange(position - pressed, 0, frame + SmallChange);
            ServerAnswers();
        }

        Assert.Equal(500, _pair.ServerEnd.Opened[bulkStreams].Received.Count);
    }

    [Fact]
    public void Bulk_streams_share_the_link_evenly_whatever_the_size_of_their_writes()
    {
        RecordingStream[] streams = [.. Enumerable.Range(0, 5).Select(_ => _pair.Open())];
        _pair.Run(Second);
        for (int i = 0; i < 2000; i++)
        {
            for (int s = 0; s < streams.Length; s++)
            {
                // Stream 4 writes 20 bytes at a time, so that its frames would be tiny were it not queued.
                int size = s == 4 ? 20 : 65_536;
                while (streams[s].Stream.Queue.Length < 100_000 && streams[s].Stream.SendSpace is > 0 and var space)
                    streams[s].Stream.Write(_block.AsSpan(0, Math.Min(size, space)), _pair.Now);
            }

            Send(10_000);
            ServerAnswers();
        }

        int[] received = [.. _pair.ServerEnd.Opened.Select(stream => stream.Received.Count)];
        Assert.InRange(received.Min(), received.Max() - (2 * _pair.Options.MaxFrame), received.Max());
        Assert.True(received.Min() > 3_000_000);
    }

    [Fact]
    public void A_flood_of_short_messages_does_not_starve_the_bulk()
    {
        RecordingStream bulk = _pair.Open();
        RecordingStream[] chatty = [.. Enumerable.Range(0, 50).Select(_ => _pair.Open())];
        _pair.Run(Second);
        for (int i = 0; i < 500; i++)
        {
            Fill([bulk]);
            foreach (RecordingStream stream in chatty)
                stream.Stream.Write(_block.AsSpan(0, Math.Min(1000, stream.Stream.SendSpace)), _pair.Now);
            Send(40_000);
            ServerAnswers();
        }

        // 50 streams offer 50 kB each time, more than the link takes; the bulk must still get something like its 51st part.
        Assert.True(_pair.ServerEnd.Opened[0].Received.Count > 500 * 40_000 / 51 / 2);
    }

    private void Fill(RecordingStream[] streams)
    {
        foreach (RecordingStream stream in streams)
            stream.Stream.Write(_block.AsSpan(0, Math.Min(stream.Stream.SendSpace, _block.Length)), _pair.Now);
    }

    private void Send(int max)
    {
        var pipe = new FakePipe();
        Wire.Send(_pair.Client, pipe, max, _pair.Now, gather: 262_144);
        while (pipe.Buffered > 0)
        {
            ReadOnlySpan<byte> bytes = pipe.Take(int.MaxValue, _pair.Now);
            _tap.Feed(bytes);
            _pair.Server.Receive(bytes, _pair.Now);
        }
    }

    private void ServerAnswers()
    {
        var pipe = new FakePipe();
        _pair.Now += 20_000;
        _pair.Server.Poll(_pair.Now);
        while (_pair.Server.HasOutput)
            Wire.Send(_pair.Server, pipe, int.MaxValue, _pair.Now);
        while (pipe.Buffered > 0)
            _pair.Client.Receive(pipe.Take(int.MaxValue, _pair.Now), _pair.Now);
    }
}
