using System.Net;
using System.Net.Sockets;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Tests.Stack.Kernel;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

[Collection("Kernel")]
public sealed class EphemeralPortsTests : IDisposable
{
    private readonly System.Net.Sockets.TcpListener _server = new(IPAddress.Loopback, 0);

    public EphemeralPortsTests() => _server.Start();

    public void Dispose() => _server.Dispose();

    private ushort Port => (ushort)((IPEndPoint)_server.LocalEndpoint).Port;

    [Fact]
    public void The_port_is_one_of_the_part()
    {
        using FileDescriptor probe = Open(), second = Open();
        bool isKnown = SocketOptions.Set(probe.Number, Libc.IPPROTO_IP, Libc.IP_LOCAL_PORT_RANGE, 0);
        Assert.True(isKnown || Environment.OSVersion.Version < new Version(6, 3));
        Connected(SocketOptions.Connect(probe, NetAddress.FromIPAddress(IPAddress.Loopback), Port));
        ushort taken = SocketOptions.LocalPort(probe);

        int error = EphemeralPorts.Connect(second, NetAddress.FromIPAddress(IPAddress.Loopback), Port, taken, taken);
        if (isKnown)
            Assert.Equal(Libc.EADDRNOTAVAIL, error);
        else
            Connected(error);
    }

    [KernelTheory]
    [InlineData("10.77.0.1", AddressFamily.InterNetwork)]
    [InlineData("fd77::1", AddressFamily.InterNetworkV6)]
    public void A_port_in_TIME_WAIT_is_taken_again(string address, AddressFamily family) => KernelHarness.Run(_ =>
    {
        // Not on the loopback addresses, where the kernel takes such ports by itself.
        NetAddress target = NetAddress.Parse(address);
        using Socket server = new(family, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        server.Listen();
        ushort port = (ushort)((IPEndPoint)server.LocalEndPoint!).Port;
        ushort local;
        using (FileDescriptor first = SocketOptions.Open(target.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM)!)
        {
            Connected(EphemeralPorts.Connect(first, target, port));
            local = SocketOptions.LocalPort(first);
            using Socket accepted = server.Accept();
            Assert.Equal(0, Libc.shutdown(first.Number, Libc.SHUT_WR));
            Assert.Equal(0, accepted.Receive(new byte[1]));
        }

        using FileDescriptor second = SocketOptions.Open(target.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM)!;
        if (Environment.OSVersion.Version >= new Version(6, 3))
            Assert.Equal(Libc.EADDRNOTAVAIL, EphemeralPorts.Connect(second, target, port, local, local));
        Connected(EphemeralPorts.ConnectFrom(second, target, port, local));
        Assert.Equal(local, SocketOptions.LocalPort(second));
        using Socket again = server.Accept();
        Assert.Equal(local, ((IPEndPoint)again.RemoteEndPoint!).Port);

        // One that lives is not.
        using FileDescriptor third = SocketOptions.Open(target.IsIPv4 ? Libc.AF_INET : Libc.AF_INET6, Libc.SOCK_STREAM)!;
        Assert.Equal(Libc.EADDRNOTAVAIL, EphemeralPorts.ConnectFrom(third, target, port, local));
    });

    [Fact]
    public void Left_to_itself_it_takes_ports_from_the_whole_range()
    {
        HashSet<int> ports = [];
        for (int i = 0; i < 50; i++)
        {
            using FileDescriptor socket = Open();
            Connected(EphemeralPorts.Connect(socket, NetAddress.FromIPAddress(IPAddress.Loopback), Port));
            ports.Add(SocketOptions.LocalPort(socket));
            SocketOptions.ResetOnClose(socket.Number);
        }

        string[] range = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Assert.All(ports, port => Assert.InRange(port, int.Parse(range[0]), int.Parse(range[1])));
        if (Environment.OSVersion.Version >= new Version(6, 3))
            Assert.True(ports.Max() - ports.Min() > 1024);
    }

    private static FileDescriptor Open() => SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM)!;

    private static void Connected(int error) => Assert.Contains(error, new[] { 0, Libc.EINPROGRESS });
}
