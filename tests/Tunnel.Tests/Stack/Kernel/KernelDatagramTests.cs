using System.Net;
using System.Net.Sockets;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>UDP and ping through the kernel.</summary>
[Collection("Kernel")]
public class KernelDatagramTests
{
    [KernelTheory]
    [InlineData(1_500, true, false)]
    [InlineData(1_500, false, true)]
    [InlineData(65_520, true, true)]
    [InlineData(65_520, false, false)]
    public void Datagrams_of_every_size_come_back(int mtu, bool offload, bool v6) => KernelHarness.Run(
        _ =>
        {
            using Socket socket = Udp(v6);
            socket.Connect(new IPEndPoint(KernelHarness.FarSide(v6), 5_353));
            byte[] answer = new byte[65_536];
            foreach (int length in new[] { 0, 1, 2, 511, 512, 1_232, 1_452, 1_472, 1_473, 9_001, 40_000, 65_500, 65_507 })
            {
                byte[] payload = new byte[length];
                Pattern.Fill(payload, length, 0);
                socket.Send(payload);
                int count = socket.Receive(answer);
                Assert.Equal(payload, answer[..count]);
            }
        },
        new StackOptions { Mtu = mtu, Offload = offload },
        offloadIn: offload);

    [KernelTheory]
    [InlineData(PortServices.Refused, SocketError.ConnectionRefused, false)]
    [InlineData(PortServices.Refused, SocketError.ConnectionRefused, true)]
    [InlineData(PortServices.HostUnreachable, SocketError.HostUnreachable, false)]
    [InlineData(PortServices.HostUnreachable, SocketError.HostUnreachable, true)]
    public void An_undeliverable_datagram_fails_the_next_call(int port, SocketError expected, bool v6) => KernelHarness.Run(harness =>
    {
        using Socket socket = Udp(v6);
        if (port == PortServices.HostUnreachable) // a soft error, reported only to those who ask: IP_RECVERR, IPV6_RECVERR
            socket.SetRawSocketOption(v6 ? 41 : 0, v6 ? 25 : 11, BitConverter.GetBytes(1));
        socket.Connect(new IPEndPoint(KernelHarness.FarSide(v6), port));
        socket.Send("x"u8);
        Assert.True(harness.Eventually(stack => stack.Counters.UnreachablesOut == 1));
        SocketException failure = Assert.Throws<SocketException>(() => { socket.Receive(new byte[1]); });
        Assert.Equal(expected, failure.SocketErrorCode);
    });

    [KernelTheory]
    [InlineData(1_500, false)]
    [InlineData(1_500, true)]
    [InlineData(65_520, false)]
    public void Ping_is_answered(int mtu, bool v6) => KernelHarness.Run(
        _ =>
        {
            foreach (int size in new[] { 0, 56, 1_472, 5_000, 65_000 })
            {
                // One request: behind a first answer ping waits for the next only two round trips long, which a busy machine exceeds.
                using System.Diagnostics.Process ping = System.Diagnostics.Process.Start(
                    new System.Diagnostics.ProcessStartInfo("ping", $"-c 1 -W 60 -s {size} {KernelHarness.FarSide(v6)}") { RedirectStandardOutput = true })!;
                string output = ping.StandardOutput.ReadToEnd();
                ping.WaitForExit();
                Assert.True(output.Contains(" 0% packet loss", StringComparison.Ordinal), output);
                Assert.Equal(0, ping.ExitCode);
            }
        },
        new StackOptions { Mtu = mtu });

    [KernelTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_protocol_that_is_not_carried_is_refused(bool v6) => KernelHarness.Run(harness =>
    {
        const int raw = 3, experimental = 253; // the platform's own constructor knows only the protocols in its enumeration
        using var socket = new Socket(new SafeSocketHandle(Libc.socket(v6 ? 10 : 2, raw, experimental), ownsHandle: true));
        socket.Connect(new IPEndPoint(KernelHarness.FarSide(v6), 0));
        socket.Send(new byte[32]);
        Assert.True(harness.Eventually(stack => stack.Counters.UnreachablesOut == 1));
        Assert.Equal(1, harness.Stack.Counters.Unsupported);
    });

    private static Socket Udp(bool v6) =>
        new(v6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
}
