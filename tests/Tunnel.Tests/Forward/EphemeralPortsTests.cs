using System.Net;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Forward;

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
        Assert.Equal(Environment.OSVersion.Version >= new Version(6, 3), isKnown);
        Connected(SocketOptions.Connect(probe, NetAddress.FromIPAddress(IPAddress.Loopback), Port));
        ushort taken = SocketOptions.LocalPort(probe);

        int error = EphemeralPorts.Connect(second, NetAddress.FromIPAddress(IPAddress.Loopback), Port, taken, taken);
        if (isKnown)
            Assert.Equal(Libc.EADDRNOTAVAIL, error);
        else
            Connected(error);
    }

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
        Assert.True(ports.Max() - ports.Min() > 1024);
    }

    private static FileDescriptor Open() => SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM)!;

    private static void Connected(int error) => Assert.Contains(error, new[] { 0, Libc.EINPROGRESS });
}
