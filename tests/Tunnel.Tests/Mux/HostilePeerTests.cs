using System.Buffers.Binary;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>What a peer gets that breaks the rules: the stream, the link or the session pays, as SPEC.md says.</summary>
public sealed class HostilePeerTests
{
    private readonly RawClient _client = new();

    [Fact]
    public void Data_beyond_the_credit_costs_the_stream_and_nobody_else()
    {
        _client.Open(1);
        _client.Open(3);
        _client.Stream(0).Consumes = false;
        for (int i = 0; i < 5; i++)
            _client.Send(FrameType.Data, 1, new byte[60_000]);
        Assert.Equal(["reset ProtocolError"], _client.Stream(0).Events);
        Assert.Contains(_client.Heard.Frames, seen => seen.Header is { Type: FrameType.Reset, StreamId: 1, Detail: (byte)RefuseCode.ProtocolError });
        _client.Send(FrameType.Data, 3, [1, 2, 3]);
        Assert.Equal([1, 2, 3], _client.Stream(1).Received);
        Assert.Equal(SessionState.Established, _client.Session.State);
    }

    [Theory]
    [InlineData(nameof(FrameType.End))]
    [InlineData(nameof(FrameType.Accept))]
    [InlineData(nameof(FrameType.Refuse))]
    [InlineData(nameof(FrameType.Datagram))]
    public void A_frame_that_the_stream_cannot_have_costs_the_stream(string name)
    {
        FrameType type = Enum.Parse<FrameType>(name);
        _client.Open(1);
        if (type == FrameType.End)
            _client.Send(FrameType.End, 1);
        _client.Send(type, 1, type == FrameType.Accept ? new byte[4] : []);
        Assert.Equal("reset ProtocolError", _client.Stream(0).Events[^1]);
        Assert.Equal(SessionState.Established, _client.Session.State);
        Assert.Equal(0, _client.Session.StreamCount);
    }

    [Fact]
    public void Data_after_the_end_costs_the_stream()
    {
        _client.Open(1);
        _client.Send(FrameType.End, 1);
        _client.Send(FrameType.Data, 1, [1]);
        Assert.Equal(["end", "reset ProtocolError"], _client.Stream(0).Events);
        Assert.Empty(_client.Stream(0).Received);
    }

    [Fact]
    public void Frames_for_a_stream_that_is_over_are_skipped()
    {
        _client.Open(1);
        _client.Stream(0).Stream.Reset(RefuseCode.None, _client.Now);
        _client.Send(FrameType.Data, 1, [1]);
        _client.Send(FrameType.Credit, 1, new byte[8]);
        _client.Send(FrameType.Reset, 1);
        _client.Send(FrameType.End, 77);
        Assert.Equal(4, _client.Session.Counters.FramesStray);
        Assert.Equal(0, _client.Session.Counters.ProtocolErrors);
        Assert.Empty(_client.Stream(0).Events);
    }

    [Theory]
    [InlineData("00 00 0000 00000000 00000000")] // no such type
    [InlineData("63 00 0000 00000000 00000001")]
    [InlineData("01 00 0001 00000000 00000000")] // an ACK with payload
    [InlineData("02 00 0007 00000000 00000000")] // a short PING
    [InlineData("10 01 0003 00000000 00000001")] // an OPEN without room for its credit
    [InlineData("10 01 FFFF 00000000 00000001")] // an OPEN with a target far too long
    [InlineData("13 00 0000 00000000 00000001")] // DATA without data
    [InlineData("13 00 0001 00000000 00000000")] // DATA without stream
    [InlineData("17 00 0004 00000000 00000001")] // a short CREDIT
    [InlineData("15 00 0000 00000005 00000001")] // a gap in the sequence
    public void What_is_no_frame_costs_the_link_and_the_next_one_resumes(string header)
    {
        _client.Raw(Convert.FromHexString(header.Replace(" ", "", StringComparison.Ordinal)));
        Assert.Equal(SessionState.Suspended, _client.Session.State);
        Assert.False(_client.Session.IsLinkUp);
        Assert.StartsWith("dead: ", _client.End.Events[1], StringComparison.Ordinal);
        _client.Link();
        _client.Open(1);
        Assert.Single(_client.End.Opened);
    }

    [Fact]
    public void Six_broken_links_in_a_row_end_the_session()
    {
        for (int i = 0; i < 6; i++)
        {
            Assert.NotEqual(SessionState.Ended, _client.Session.State);
            if (i > 0)
                _client.Link();
            _client.Raw(new byte[12]);
        }

        Assert.Equal(SessionState.Ended, _client.Session.State);
        Assert.StartsWith("the link keeps delivering garbage", _client.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_frame_that_comes_twice_counts_once()
    {
        _client.Open(1);
        byte[] frame = _client.Send(FrameType.Data, 1, [1, 2, 3]);
        _client.Raw(frame);
        _client.Link();
        _client.Raw(frame);
        _client.Send(FrameType.Data, 1, [4]);
        Assert.Equal([1, 2, 3, 4], _client.Stream(0).Received);
        Assert.Equal(2, _client.Session.Counters.FramesDuplicate);
    }

    [Fact]
    public void A_frame_cut_anywhere_is_delivered_once_when_it_comes_again()
    {
        _client.Open(1);
        byte[] frame = RawClient.Frame(FrameType.Data, 0, 1, 1, [1, 2, 3, 4, 5]);
        for (int cut = 0; cut < frame.Length; cut++)
        {
            _client.Raw(frame.AsSpan(0, cut));
            _client.Session.LinkDown("cut", _client.Now);
            _client.Link();
        }

        _client.Raw(frame);
        Assert.Equal([1, 2, 3, 4, 5], _client.Stream(0).Received);
    }

    [Fact]
    public void A_frame_that_changes_when_it_comes_again_ends_the_session()
    {
        _client.Open(1);
        _client.Raw(RawClient.Frame(FrameType.Data, 0, 1, 1, [1, 2, 3]).AsSpan(0, FrameHeader.Size + 1));
        _client.Session.LinkDown("cut", _client.Now);
        _client.Link();
        _client.Raw(RawClient.Frame(FrameType.Data, 0, 1, 1, [1, 2, 3, 4]));
        Assert.Equal(SessionState.Ended, _client.Session.State);
        Assert.Equal("protocol error: a frame changed when it was sent again", _client.Session.EndReason);
        Assert.Equal(FrameType.Goodbye, _client.Heard.Frames[^1].Header.Type);
    }

    [Fact]
    public void An_acknowledgement_of_what_was_not_sent_ends_the_session()
    {
        _client.Raw(RawClient.Frame(FrameType.Ack, 0, 1000, 0, []));
        Assert.Equal("protocol error: an acknowledgement of what was not sent", _client.Session.EndReason);
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(1u)]
    public void An_open_with_a_number_that_is_not_free_ends_the_session(uint number)
    {
        _client.Open(1);
        _client.Open(number);
        Assert.Equal("protocol error: a stream was opened with a number that was not free", _client.Session.EndReason);
        Assert.Equal(["reset SessionEnded"], _client.Stream(0).Events);
    }

    [Fact]
    public void Opens_without_end_whose_answers_are_not_read_end_the_session_before_the_memory()
    {
        var client = new RawClient(new MuxSessionOptions { Version = "1", MaxStreams = 10, MaxControlQueue = 1000, MaxUnacknowledgedFrames = 300 });
        client.End.OnOpen = (stream, now) => stream.Stream.Refuse(RefuseCode.Refused, new string('x', 500), now);
        uint number = 1;
        while (client.Session.State == SessionState.Established && number < 10_000)
        {
            client.Open(number);
            number += 2;
        }

        Assert.Equal("protocol error: streams are opened without end and the answers are not read", client.Session.EndReason);
        Assert.InRange(number, 2000u, 2620u);
    }

    [Fact]
    public void A_credit_never_takes_back_what_it_gave()
    {
        _client.Open(1, credit: 5000);
        MuxStream stream = _client.Stream(0).Stream;
        foreach (long limit in new[] { 0, -1, long.MinValue, 4999 })
        {
            byte[] payload = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(payload, limit);
            _client.Send(FrameType.Credit, 1, payload);
            Assert.Equal(5000, stream.SendSpace);
        }

        byte[] huge = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(huge, long.MaxValue);
        _client.Send(FrameType.Credit, 1, huge);

        // More than this session wants to hold for one stream is not offered, and not taken.
        Assert.Equal(_client.Session.SendBacklog, stream.SendSpace);
        int most = _client.Session.Options.MaxWindow;
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Write(new byte[most + 1], 0));
        stream.Write(new byte[most], 0);
        Assert.Equal(0, stream.SendSpace);
    }

    [Fact]
    public void Sequence_numbers_go_round_after_two_to_the_32()
    {
        // The peer's numbers are taken relative to what is expected, so starting near the end is starting anywhere.
        var log = new SentLog(16);
        Assert.Equal(5, log.Expand(5));
        Assert.Equal(uint.MaxValue, log.Expand(uint.MaxValue));
        for (int i = 0; i < 10; i++)
            log.Append();
        for (int i = 0; i < 10; i++)
            log.RemoveOldest();
        Assert.Equal(10, log.Expand(10));
        Assert.Equal((1L << 32) + 9, log.Expand(9));
    }

    [Fact]
    public void A_goodbye_cannot_smuggle_control_characters()
    {
        _client.Send(FrameType.Goodbye, 0, "bye\x1b[2J\r\n"u8.ToArray());
        Assert.Equal("bye [2J  ", _client.Session.EndReason);
    }

    [Fact]
    public void A_handler_may_drop_the_link_in_the_middle_of_a_delivery()
    {
        _client.End.OnOpen = (stream, now) =>
        {
            stream.Stream.Accept([], now);
            _client.Session.LinkDown("the owner had enough", now);
        };
        byte[] open = RawClient.Frame(FrameType.Open, 1, 0, 1, [0, 0, 1, 0]);
        byte[] data = RawClient.Frame(FrameType.Data, 0, 1, 1, [9]);
        _client.Raw([.. open, .. data]);
        Assert.Empty(_client.Stream(0).Received);
        _client.Link();
        _client.Raw(data);
        Assert.Equal([9], _client.Stream(0).Received);
    }

    [Fact]
    public void A_handler_may_end_the_session_in_the_middle_of_a_delivery()
    {
        _client.End.OnOpen = (_, now) => _client.Session.End("enough", now);
        byte[] open = RawClient.Frame(FrameType.Open, 1, 0, 1, [0, 0, 1, 0]);
        _client.Raw([.. open, .. RawClient.Frame(FrameType.Data, 0, 1, 1, [9])]);
        Assert.Equal(["reset SessionEnded"], _client.Stream(0).Events);
        Assert.Empty(_client.Stream(0).Received);
        Assert.Equal(0, _client.Session.StreamCount);
    }
}
