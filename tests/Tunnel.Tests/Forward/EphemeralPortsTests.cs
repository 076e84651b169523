using System.Net;
using System.Net.Sockets;
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
    public void A_port_of_the_part_is_taken_and_when_none_is_free_there_any()
    {
        using FileDescriptor probe = Open(), first = Open(), second = Open();
        bool isKnown = SocketOptions.Set(probe.Number, Libc.IPPROTO_IP, Libc.IP_LOCAL_PORT_RANGE, 0);
        Assert.Equal(isKnown, Environment.OSVersion.Version >= new Version(6, 3));
        Connected(SocketOptions.Connect(probe, NetAddress.FromIPAddress(IPAddress.Loopback), Port));
        ushort part = SocketOptions.LocalPort(probe);

        // The probe has the only port of the part.
        Connected(EphemeralPorts.Connect(first, NetAddress.FromIPAddress(IPAddress.Loopback), Port, part, part));
        Assert.NotEqual(part, SocketOptions.LocalPort(first));

        ushort free = SocketOptions.LocalPort(first);
        first.Dispose();
        using (Socket accepted = Accept(free))
            accepted.LingerState = new LingerOption(true, 0);
        Connected(EphemeralPorts.Connect(second, NetAddress.FromIPAddress(IPAddress.Loopback), Port, free, free));
        if (isKnown)
            Assert.Equal(free, SocketOptions.LocalPort(second));
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

    private Socket Accept(int port)
    {
        while (true)
        {
            Socket accepted = _server.AcceptSocket();
            if (((IPEndPoint)accepted.RemoteEndPoint!).Port == port)
                return accepted;
            accepted.Dispose();
        }
    }
}
