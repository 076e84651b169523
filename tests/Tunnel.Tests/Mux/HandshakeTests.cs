using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

public sealed class HandshakeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Both_sides_are_established_whatever_the_slicing(int slice)
    {
        var pair = new SessionPair { Slice = () => slice };
        pair.Connect();
        pair.Run(100_000);
        Assert.Equal(["established"], pair.ClientEnd.Events);
        Assert.Equal(["established"], pair.ServerEnd.Events);
        Assert.Equal("1.2.3", pair.Client.PeerVersion);
        Assert.Equal("1.2.3", pair.Server.PeerVersion);
        Assert.True(pair.Client.LastRoundTrip > 0);
        Assert.True(pair.Server.LastRoundTrip > 0);
    }

    [Fact]
    public void A_wrong_version_is_one_sentence_that_names_both()
    {
        var pair = new SessionPair(null, new MuxSessionOptions { Version = "2.0.0" });
        pair.Connect();
        pair.Run(1000);
        Assert.Equal(SessionState.Ended, pair.Client.State);
        Assert.Equal(HelloRefusal.WrongVersion, pair.Client.Refusal);
        Assert.Equal("wrong version: client 1.2.3, proxy 2.0.0; use the same version of both", pair.Client.EndReason);
        Assert.Equal("2.0.0", pair.Client.PeerVersion);
        Assert.Empty(pair.Door.Sessions);
    }

    [Fact]
    public void A_hello_of_a_format_to_come_is_answered_with_both_versions()
    {
        var pair = new SessionPair();
        byte[] hello = new byte[Hello.MaxSize];
        int length = Hello.Write(hello, pair.Options with { Version = "9.0" }, resuming: false, 0);
        hello[10] = 2;
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        LinkAdmission admission = pair.Door.Admit(hello.AsSpan(0, length), refusal, pair.Now);
        Assert.Equal(HelloRefusal.WrongVersion, admission.Refusal);
        Assert.Equal("wrong version: client 9.0, proxy 1.2.3; use the same version of both", admission.Reason);
    }

    [Fact]
    public void A_wrong_key_is_turned_away()
    {
        var pair = new SessionPair();
        pair.Door = pair.NewDoor(new byte[32]);
        pair.Connect();
        pair.Run(1000);
        Assert.Equal(SessionState.Ended, pair.Client.State);
        Assert.Equal(HelloRefusal.BadKey, pair.Client.Refusal);
        Assert.StartsWith("wrong session key", pair.Client.EndReason, StringComparison.Ordinal);
        Assert.Empty(pair.Door.Sessions);
    }

    [Fact]
    public void A_restarted_proxy_says_that_the_session_is_lost()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        pair.Run(1000);
        pair.Cut();
        pair.Door = pair.NewDoor();
        pair.Connect();
        pair.Run(1000);
        Assert.Equal(SessionState.Ended, pair.Client.State);
        Assert.Equal(HelloRefusal.UnknownSession, pair.Client.Refusal);
        Assert.StartsWith("session lost", pair.Client.EndReason, StringComparison.Ordinal);
        Assert.Equal(["accepted ", "reset SessionEnded"], stream.Events);
        Assert.Equal(0, pair.ClientPool.InUse);
    }

    [Fact]
    public void A_session_over_the_limit_is_turned_away()
    {
        var pair = new SessionPair();
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        byte[] hello = new byte[Hello.MaxSize];
        for (int i = 0; i < 5; i++)
        {
            int length = Hello.Write(hello, pair.Options with { SessionId = Guid.NewGuid() }, resuming: false, 0);
            LinkAdmission admission = pair.Door.Admit(hello.AsSpan(0, length), refusal, pair.Now);
            Assert.Equal(i < 4 ? HelloRefusal.None : HelloRefusal.TooManySessions, admission.Refusal);
        }
    }

    [Fact]
    public void Something_else_than_a_proxy_costs_the_link_and_not_the_session()
    {
        var pair = new SessionPair();
        pair.Connect();
        pair.ClientLink!.Down.Put("HTTP/1.1 502 Bad Gateway\r\n"u8.ToArray(), pair.Now);
        pair.Client.Receive(pair.ClientLink.Down.Take(100, pair.Now), pair.Now);
        Assert.Equal(["dead: what answers there is not a Telepresence proxy"], pair.ClientEnd.Events);
        Assert.Equal(SessionState.Connecting, pair.Client.State);
        pair.Connect();
        pair.Run(1000);
        Assert.Equal(SessionState.Established, pair.Client.State);
    }

    [Fact]
    public void Something_else_than_a_client_is_refused()
    {
        var pair = new SessionPair();
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        LinkAdmission admission = pair.Door.Admit("GET / HTTP/1.1\r\n"u8, refusal, pair.Now);
        Assert.Equal(HelloParse.Bad, admission.Outcome);
        Assert.Equal(HelloRefusal.NotAHello, admission.Refusal);
        Assert.True(admission.RefusalLength > 0);
    }

    [Fact]
    public void A_link_cut_during_the_hello_costs_nothing()
    {
        var pair = new SessionPair { Slice = () => 10 };
        for (int bytes = 0; bytes < 30; bytes++)
        {
            pair.Connect();
            for (int i = 0; i < bytes; i++)
                pair.Move();
            pair.Cut();
        }

        pair.Connect();
        pair.Run(100_000);
        Assert.Equal(SessionState.Established, pair.Client.State);
        Assert.Equal(SessionState.Established, pair.Server.State);
        Assert.Single(pair.Door.Sessions);
        Assert.Equal("established", pair.ClientEnd.Events[0]);
        Assert.Single(pair.ServerEnd.Events, "established");
    }

    [Fact]
    public void A_new_link_takes_over_from_one_that_still_looks_alive()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream stream = pair.Open();
        pair.Run(1000);
        FakeLink old = pair.ServerLink!;
        stream.Stream.Write("on the old link"u8, pair.Now);
        pair.Move();
        pair.Cut(clientNotices: true, serverNotices: false);
        stream.Stream.Write(", on the new one"u8, pair.Now);
        pair.Connect();
        pair.Run(1000);
        Assert.NotSame(old, pair.ServerLink);
        Assert.Equal(
            ["established", "dead: replaced by a new link of the same client", "suspended: replaced by a new link of the same client", "resumed"],
            pair.ServerEnd.Events);
        Assert.Equal("on the old link, on the new one"u8.ToArray(), pair.ServerEnd.Opened[0].Received);
        Assert.Single(pair.Door.Sessions);
    }

    [Fact]
    public void A_client_that_has_lost_its_memory_is_not_resumed()
    {
        SessionPair pair = SessionPair.Connected();
        RecordingStream server = pair.Open(pair.Server, StreamKind.Accepted);
        pair.Run(1000);
        server.Stream.Write(new byte[10_000], pair.Now);
        pair.Run(1_000_000);
        byte[] hello = new byte[Hello.MaxSize];
        int length = Hello.Write(hello, pair.Options, resuming: true, received: 0);
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        MuxSession session = pair.Server;
        LinkAdmission admission = pair.Door.Admit(hello.AsSpan(0, length), refusal, pair.Now);
        Assert.Equal(HelloRefusal.OutOfStep, admission.Refusal);
        Assert.Equal(SessionState.Ended, session.State);
    }
}
