using System.Text;

using Telepresence.Cli.Engine.Listeners;
using Telepresence.Cli.Launch.Holder.Loopback;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Holder.Tests.Loopback;

public sealed class MirrorPlanTests
{
    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("127.0.0.53", "127.0.0.53")]
    [InlineData("::1", "::1")]
    [InlineData("0.0.0.0", "0.0.0.0")]
    [InlineData("::", ":: 0.0.0.0")]
    [InlineData("192.168.1.5", "")]
    [InlineData("fe80::1", "")]
    public void A_listener_of_the_machine_is_wanted_inside_where_the_loopback_reaches_it(string address, string wanted) =>
        Assert.Equal(wanted, Plan(inside: true, udp: false, [Socket(address)], []));

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("0.0.0.0", "127.0.0.1")]
    [InlineData("::", "::1 127.0.0.1")]
    [InlineData("198.18.77.1", "")]
    public void A_listener_inside_is_wanted_on_the_machines_loopback_alone(string address, string wanted) =>
        Assert.Equal(wanted, Plan(inside: false, udp: false, [Socket(address)], []));

    [Fact]
    public void A_listener_that_is_deaf_to_IPv4_is_wanted_for_IPv6_alone() =>
        Assert.Equal("::", Plan(inside: true, udp: false, [Socket("::") with { OnlyIPv6 = true }], []));

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("127.0.0.1", "0.0.0.0")]
    [InlineData("127.0.0.1", "::")]
    [InlineData("0.0.0.0", "127.0.0.1")]
    public void A_port_that_the_side_has_itself_is_left_to_it(string original, string taken) =>
        Assert.Equal("", Plan(inside: true, udp: false, [Socket(original)], [Socket(taken)]));

    [Fact]
    public void The_same_port_on_an_address_out_of_the_way_is_no_hindrance() =>
        Assert.Equal("127.0.0.1", Plan(inside: true, udp: false, [Socket("127.0.0.1")], [Socket("127.0.0.2"), Socket("198.18.77.1"), Socket("127.0.0.1") with { Port = 81 }]));

    [Fact]
    public void A_clients_datagram_socket_is_not_taken_for_a_server()
    {
        BoundSocket client = Socket("0.0.0.0") with { Port = 40_000 };
        Assert.Equal("", Plan(inside: true, udp: true, [client], []));
        Assert.Equal("127.0.0.1", Plan(inside: true, udp: true, [client with { Port = 8125 }], []));
        Assert.Equal("127.0.0.1", Plan(inside: true, udp: true, [client with { Address = NetAddress.Parse("127.0.0.1") }], []));
    }

    [Theory]
    [InlineData("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123456 1 x 100", "127.0.0.1", 8080, 10, 123456)]
    [InlineData("  11: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 x", "::1", 53, 10, 7)]
    [InlineData("   3: 0000000000000000FFFF00000100007F:1F40 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1 x", "127.0.0.1", 8000, 10, 8)]
    public void The_kernels_table_is_read(string line, string address, int port, int state, uint inode)
    {
        Assert.True(ProcNetTable.TryParse(Encoding.ASCII.GetBytes(line), out BoundSocket socket, out int found));
        Assert.Equal(new BoundSocket(NetAddress.Parse(address), (ushort)port, false, inode), socket);
        Assert.Equal(state, found);
    }

    [Theory]
    [InlineData("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")]
    [InlineData("")]
    [InlineData("   0: 0100007F:1F90 00000000:0000 0A")]
    public void What_is_no_line_of_the_table_is_passed_over(string line) =>
        Assert.False(ProcNetTable.TryParse(Encoding.ASCII.GetBytes(line), out _, out _));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Both_ways_to_list_sockets_find_the_same(bool udp)
    {
        using System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.InterNetworkV6, udp ? System.Net.Sockets.SocketType.Dgram : System.Net.Sockets.SocketType.Stream, udp ? System.Net.Sockets.ProtocolType.Udp : System.Net.Sockets.ProtocolType.Tcp);
        socket.DualMode = false;
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Any, 0));
        if (!udp)
            socket.Listen();
        ushort port = (ushort)((System.Net.IPEndPoint)socket.LocalEndPoint!).Port;
        using ISocketTable diag = SockDiagTable.TryOpen()!, proc = new ProcNetTable("/proc/self/net");
        BoundSocket asked = Find(diag), read = Find(proc);
        Assert.True(asked.OnlyIPv6);
        Assert.Equal(asked with { OnlyIPv6 = false }, read);

        BoundSocket Find(ISocketTable table)
        {
            List<BoundSocket> found = [];
            Assert.True(table.Read(udp, found));
            return Assert.Single(found, other => other.Port == port);
        }
    }

    private static BoundSocket Socket(string address) => new(NetAddress.Parse(address), 80, OnlyIPv6: false, 1);

    private static string Plan(bool inside, bool udp, List<BoundSocket> originals, List<BoundSocket> taken)
    {
        HashSet<MirrorKey> wanted = [];
        MirrorPlan.Add(inside, udp, originals, taken, EphemeralRange.Default, wanted);
        return string.Join(' ', wanted.Select(static key => key.Address));
    }
}
