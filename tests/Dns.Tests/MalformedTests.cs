using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Tests;

public sealed class MalformedTests
{
    private const int FormErr = 1;
    private const int NotImp = 4;
    private const int Refused = 5;
    private const string Name = "a.default.svc.cluster.local";

    private static byte[] With(byte[] message, int at, params byte[] bytes)
    {
        bytes.CopyTo(message, at);
        return message;
    }

    [Fact]
    public void What_is_not_a_question_is_dropped()
    {
        var bench = new Bench();
        Assert.False(bench.Resolver.Receive([], default, 0));
        Assert.False(bench.Resolver.Receive(new byte[11], default, 0));
        Assert.False(bench.Resolver.Receive(With(Message.Query(Name), 2, 0x81), default, 0));
        bench.ExpectNoReply();
        Assert.Equal(3, bench.Resolver.Counters.Malformed);
    }

    [Fact]
    public void A_broken_question_is_a_format_error()
    {
        var bench = new Bench();
        var query = Message.Query(Name);
        byte[][] broken =
        [
            query[..12], // no question
            query[..^1], // cut type or class
            With([.. query], 5, 2), // two questions announced
            With([.. query], 5, 0),
            With([.. query], 12, 0xC0, 12), // a name that points to itself
            With([.. query], 12, 64), // reserved label type
            With([.. query], 7, 1), // an answer in a question
            [.. query, 0], // bytes behind the end
            With([.. query], 11, 1), // additional record announced, not there
            [.. With(Message.Query(Name, edns: 1232), 11, 2), 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0], // two OPT
            Message.Query(Name, edns: 1232, options: new byte[1200]),
            Message.Query(Name, "41"),
        ];
        Assert.All(broken, message => bench.ExpectRcode(bench.Ask(message), FormErr));
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void Other_opcodes_classes_and_transfers_are_refused()
    {
        var bench = new Bench();
        bench.ExpectRcode(bench.Ask(With(Message.Query(Name), 2, 0x28)), NotImp); // UPDATE
        bench.ExpectRcode(bench.Ask(With(Message.Query(Name), 2, 0x20)), NotImp); // NOTIFY
        bench.ExpectRcode(bench.Ask(Message.Query(Name, "252")), Refused); // AXFR
        bench.ExpectRcode(bench.Ask(Message.Query(Name, "251")), Refused); // IXFR
        bench.ExpectRcode(bench.Ask(Message.Query(Name, "253")), NotImp); // MAILB
        var chaos = Message.Query("version.bind", "TXT");
        chaos[^1] = 3;
        bench.ExpectRcode(bench.Ask(chaos), Refused);
        bench.ExpectNothingAsked();
    }

    [Fact]
    public void Upstream_answers_that_do_not_fit_the_question_are_dropped()
    {
        var bench = new Bench();
        bench.Ask(Name);
        var query = bench.ToCluster[0];
        var good = Message.Answer(query, 0, $"{Name} 30 A 10.0.0.1");
        bench.Resolver.ReceiveFromCluster(With([.. good], 0, (byte)~good[0]), bench.Now); // another identifier
        bench.Resolver.ReceiveFromCluster(With([.. good], 13, (byte)'b'), bench.Now); // another name
        bench.Resolver.ReceiveFromCluster(With([.. good], 12 + 30, 28), bench.Now); // another type
        bench.Resolver.ReceiveFromLocal(0, good, bench.Now); // from another place
        Assert.Equal(4, bench.Resolver.Counters.Unexpected);
        bench.Resolver.ReceiveFromCluster(query, bench.Now); // a question
        bench.Resolver.ReceiveFromCluster(good.AsSpan(0, good.Length - 1), bench.Now); // cut
        bench.Resolver.ReceiveFromCluster(With([.. good], 7, 9), bench.Now); // more records announced than there are
        Assert.Equal(3, bench.Resolver.Counters.Malformed);
        bench.ExpectNoReply();
        bench.Resolver.ReceiveFromCluster(good, bench.Now);
        Assert.Equal(1, bench.ReplyCount);
    }

    [Fact]
    public void A_local_answer_counts_only_from_a_server_that_was_asked()
    {
        var bench = new Bench(localServers: 2);
        bench.Ask("www.example.com");
        bench.Resolver.ReceiveFromLocal(1, Message.Answer(bench.ToLocal[0].Query, 0, "www.example.com 30 A 10.0.0.1"), bench.Now);
        bench.ExpectNoReply();
        Assert.Equal(1, bench.Resolver.Counters.Unexpected);
    }

    [Fact]
    public void Compression_pointers_that_do_not_go_back_are_refused()
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        byte[] toItself = [0xC0, 0];
        byte[] toEachOther = [0xC0, 2, 0xC0, 0];
        byte[] forward = [0xC0, 2, 0];
        byte[] cut = [0xC0];
        Assert.Equal(0, DnsName.Expand(toItself, 0, name));
        Assert.Equal(0, DnsName.Expand(toEachOther, 2, name));
        Assert.Equal(0, DnsName.Expand(forward, 0, name));
        Assert.Equal(0, DnsName.Expand(cut, 0, name));
        Assert.Equal(-1, DnsName.Skip(cut, 0));
        byte[] good = [1, (byte)'a', 0, 1, (byte)'b', 0xC0, 0];
        Assert.Equal(5, DnsName.Expand(good, 3, name));
        Assert.Equal("b.a", DnsName.ToText(name[..5]));
    }

    [Fact]
    public void A_name_of_255_bytes_is_the_longest()
    {
        var label = new string('x', 63);
        Assert.True(DnsName.TryParse($"{label}.{label}.{label}.{label[..61]}", out var longest));
        Assert.Equal(255, longest.Length);
        Assert.Equal(255, DnsName.UncompressedLength(longest, 0));
        Assert.False(DnsName.TryParse($"{label}.{label}.{label}.{label[..62]}", out _));
    }

    [Fact]
    public void Odd_bytes_in_names_are_escaped_in_text()
    {
        Assert.Equal("a\\.b\\\\\\010.c", DnsName.ToText([5, (byte)'a', (byte)'.', (byte)'b', (byte)'\\', 10, 1, (byte)'c', 0]));
    }

    [Fact]
    public void An_expanded_answer_with_a_pointer_to_nowhere_is_a_server_failure()
    {
        var bench = new Bench();
        var client = bench.Ask("a");
        var query = bench.ToCluster[0];
        var answer = Message.Answer(query, 0, $"{Name} 30 A 10.0.0.1");
        var owner = 12 + DnsName.UncompressedLength(query, 12) + 4;
        bench.Resolver.ReceiveFromCluster(With(answer, owner, 0xC0, 3), bench.Now); // into the header
        bench.ExpectRcode(client, 2);
    }
}
