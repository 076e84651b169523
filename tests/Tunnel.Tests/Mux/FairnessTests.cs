using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class FairnessTests
{
    private const long Second = 1_000_000;

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void A_keystroke_waits_for_one_frame_of_the_bulk_at_most(int bulkStreams)
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream[] bulk = [.. Enumerable.Range(0, bulkStreams).Select(_ => pair.Open())];
        RecordingStream keys = pair.Open();
        pair.Run(Second);
        byte[] block = new byte[65_536];
        var random = new Random(7);
        for (int i = 0; i < 200; i++)
        {
            foreach (RecordingStream stream in bulk)
                stream.Stream.Write(block.AsSpan(0, Math.Min(stream.Stream.SendSpace, block.Length)), pair.Now);

            // The link takes some of the bulk, cutting a frame anywhere; then a key is pressed.
            var pipe = new FakePipe();
            Wire.Send(pair.Client, pipe, random.Next(1, 100_000), pair.Now, gather: 262_144);
            keys.Stream.Write([(byte)i], pair.Now);
            while (keys.Stream.SentOffset < keys.Stream.Queue.Tail || pair.Client.HasOutput && BulkBytes(pipe) == 0)
                Wire.Send(pair.Client, pipe, 4096, pair.Now);
            Deliver(pair, pipe);
            pair.Run(100_000);
        }

        Assert.Equal(200, pair.ServerEnd.Opened[bulkStreams].Received.Count);
    }

    private static int BulkBytes(FakePipe pipe) => pipe.Buffered;

    private static void Deliver(SessionPair pair, FakePipe pipe)
    {
        while (pipe.Buffered > 0)
            pair.Server.Receive(pipe.Take(int.MaxValue, pair.Now), pair.Now);
    }
}
