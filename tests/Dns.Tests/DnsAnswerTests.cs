using System.Net;

namespace Telepresence.Dns.Tests;

public sealed class DnsAnswerTests
{
    // db.example. A? with one CNAME, two A and one AAAA record.
    private static readonly byte[] Answer = Convert.FromHexString(
        "123481800001000400000000026462076578616D706C650000010001C00C000500010000003C000402787800C00C00010001"
        + "0000003C0004C0000201C00C000100010000003C0004C0000202C00C001C00010000003C001020010DB80000000000000000"
        + "00000001");

    [Fact]
    public void Addresses_of_the_answer_section_are_read_and_other_records_are_passed_over()
    {
        List<IPAddress> addresses = [];
        DnsAnswer.ReadAddresses(Answer, addresses);
        Assert.Equal(["192.0.2.1", "192.0.2.2", "2001:db8::1"], addresses.Select(static address => address.ToString()));
    }

    [Fact]
    public void A_message_cut_anywhere_gives_what_stands_before_the_cut()
    {
        for (int length = 0; length <= Answer.Length; length++)
        {
            List<IPAddress> addresses = [];
            DnsAnswer.ReadAddresses(Answer.AsSpan(0, length), addresses);
            Assert.True(addresses.Count <= 3);
        }
    }

    [Fact]
    public void The_canonical_name_is_the_owner_of_the_first_address()
    {
        byte[] aliased = Message.Answer(Message.Query("www.example"), 0, "www.example 60 CNAME db.example", "db.example 60 A 192.0.2.1");
        Assert.Equal("db.example", DnsAnswer.ReadCanonicalName(aliased));
        Assert.Null(DnsAnswer.ReadCanonicalName(Message.Answer(Message.Query("www.example"), 3)));
    }

    [Fact]
    public void A_reverse_question_is_built_and_its_answer_read()
    {
        byte[] query = DnsAddressQuery.BuildReverse(IPAddress.Parse("192.0.2.1"));
        Assert.Equal("1.2.0.192.in-addr.arpa PTR", Message.Question(query));
        byte[] ipv6 = DnsAddressQuery.BuildReverse(IPAddress.Parse("2001:db8::1"));
        Assert.Equal("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR", Message.Question(ipv6));
        Assert.Equal("db.example", DnsAnswer.ReadPointer(Message.Answer(query, 0, "1.2.0.192.in-addr.arpa 60 PTR db.example")));
        Assert.Null(DnsAnswer.ReadPointer(Answer));
    }

    [Fact]
    public void What_is_no_answer_counts_as_a_failure_of_the_server()
    {
        Assert.Equal(3, DnsAnswer.ReadCode(Message.Answer(Message.Query("no.example"), 3)));
        Assert.Equal(2, DnsAnswer.ReadCode("nonsense"u8));
    }
}
