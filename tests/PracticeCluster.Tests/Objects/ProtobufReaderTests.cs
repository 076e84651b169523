using System.Text;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Objects.Protobuf;

namespace Telepresence.PracticeCluster.Tests.Objects;

public sealed class ProtobufReaderTests
{
    [Fact]
    public void A_namespace_as_kubectl_sends_it()
    {
        // runtime.Unknown{TypeMeta{v1, Namespace}, raw: Namespace{ObjectMeta{name: foo, generateName: "", creationTimestamp: {}}, spec: {}, status: {}}}
        byte[] meta = [.. Text(1, "foo"), .. Text(2, ""), .. Bytes(8, []), .. Bytes(11, [.. Text(1, "k"), .. Text(2, "v")])];
        Given.Same("{'metadata':{'name':'foo','labels':{'k':'v'}},'spec':{},'status':{},'apiVersion':'v1','kind':'Namespace'}",
            ProtobufReader.Read(Envelope("v1", "Namespace", [.. Bytes(1, meta), .. Bytes(2, []), .. Bytes(3, [])])));
    }

    [Fact]
    public void Zero_replicas_and_false_pointers_are_kept_and_other_zeroes_dropped()
    {
        byte[] container = [.. Text(1, "c"), .. Bytes(15, [.. Varint(7, 0), .. Varint(2, 0)]), .. Varint(16, 0)];
        byte[] template = Bytes(2, Bytes(2, container));
        Given.Same("{'spec':{'replicas':0,'template':{'spec':{'containers':[{'name':'c','securityContext':{'allowPrivilegeEscalation':false,'privileged':false}}]}}},'apiVersion':'apps/v1','kind':'Deployment'}",
            ProtobufReader.Read(Envelope("apps/v1", "Deployment", Bytes(2, [.. Varint(1, 0), .. Bytes(3, template)]))));
    }

    [Fact]
    public void Target_ports_are_numbers_or_names()
    {
        byte[] number = Bytes(1, [.. Varint(3, 80), .. Bytes(4, [.. Varint(1, 0), .. Varint(2, 8080)])]);
        byte[] name = Bytes(1, [.. Varint(3, 81), .. Bytes(4, [.. Varint(1, 1), .. Text(3, "http")])]);
        Given.Same("{'spec':{'ports':[{'port':80,'targetPort':8080},{'port':81,'targetPort':'http'}]},'apiVersion':'v1','kind':'Service'}",
            ProtobufReader.Read(Envelope("v1", "Service", Bytes(2, [.. number, .. name]))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("6B3873")]
    [InlineData("6B38730012FF")]
    [InlineData("6B3873000AFFFFFFFFFFFFFFFFFFFF01")]
    public void Malformed_bodies_are_bad_requests(string hex) =>
        Assert.InRange(Assert.Throws<ApiException>(() => ProtobufReader.Read(Convert.FromHexString(hex))).Code, 400, 415);

    private static byte[] Envelope(string version, string kind, byte[] raw) =>
        [.. "k8s\0"u8, .. Bytes(1, [.. Text(1, version), .. Text(2, kind)]), .. Bytes(2, raw), .. Text(3, ""), .. Text(4, "")];

    private static byte[] Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    private static byte[] Bytes(int field, byte[] value) => [.. Number((ulong)(field << 3 | 2)), .. Number((ulong)value.Length), .. value];

    private static byte[] Varint(int field, ulong value) => [.. Number((ulong)(field << 3)), .. Number(value)];

    private static byte[] Number(ulong value)
    {
        var bytes = new List<byte>();
        for (; value > 0x7F; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }
}
