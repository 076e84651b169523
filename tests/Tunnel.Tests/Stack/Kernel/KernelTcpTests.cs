using System.Net.Sockets;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>Real sockets of the Linux kernel against the stack over a clean link.</summary>
[Collection("Kernel")]
public class KernelTcpTests
{
    private const long Megabyte = 1 << 20;

    public static TheoryData<int, bool, bool> Shapes => new()
    {
        { 65_520, true, false }, { 65_520, true, true }, { 65_520, false, false }, { 65_520, false, true },
        { 1_500, true, false }, { 1_500, true, true }, { 1_500, false, false }, { 1_500, false, true },
    };

    [KernelTheory]
    [MemberData(nameof(Shapes))]
    public void Carries_data_up_down_and_both_ways_at_once(int mtu, bool offload, bool v6) => KernelHarness.Run(
        harness =>
        {
            using (Socket up = KernelHarness.Connect(PortServices.Sink, v6))
                KernelTransfer.Upload(up, 20 * Megabyte + 13);
            using (Socket down = KernelHarness.Connect(PortServices.Source, v6))
                KernelTransfer.Download(down, 20 * Megabyte + 13);
            using (Socket both = KernelHarness.Connect(PortServices.Echo, v6))
                KernelTransfer.Echo(both, 10 * Megabyte + 7);
            Assert.True(harness.Eventually(stack => stack.ConnectionCount == 0));
            Assert.Equal(3, harness.Services.Closed);
            Assert.Equal(0, harness.Stack.Counters.RetransmissionTimeouts);
        },
        new StackOptions { Mtu = mtu, Offload = offload },
        offloadIn: offload);

    [KernelTheory]
    [InlineData(PortServices.Refused, SocketError.ConnectionRefused, false)]
    [InlineData(PortServices.Refused, SocketError.ConnectionRefused, true)]
    [InlineData(PortServices.HostUnreachable, SocketError.HostUnreachable, false)]
    [InlineData(PortServices.HostUnreachable, SocketError.HostUnreachable, true)]
    [InlineData(PortServices.NetUnreachable, SocketError.NetworkUnreachable, false)]
    [InlineData(PortServices.NetUnreachable, SocketError.NetworkUnreachable, true)]
    [InlineData(PortServices.AdminProhibited, SocketError.HostUnreachable, false)]
    [InlineData(PortServices.AdminProhibited, SocketError.AccessDenied, true)]
    public void Connect_fails_at_once_with_the_reason_of_the_far_side(int port, SocketError expected, bool v6) => KernelHarness.Run(_ =>
    {
        SocketException failure = Assert.ThrowsAny<SocketException>(() => KernelHarness.Connect(port, v6));
        Assert.Equal(expected, failure.SocketErrorCode);
    });

    [KernelFact]
    public void A_far_side_that_speaks_first_and_closes_is_heard_whole() => KernelHarness.Run(
        harness =>
        {
            for (int i = 0; i < 50; i++)
            {
                using Socket socket = KernelHarness.Connect(PortServices.GreetAndClose, v6: i % 2 == 1);
                byte[] greeting = new byte[6];
                KernelTransfer.ReadExactly(socket, greeting);
                Assert.Equal("hello\n"u8.ToArray(), greeting);
                Assert.Equal(0, socket.Receive(greeting));
            }
            Assert.True(harness.Eventually(stack => stack.ConnectionCount == 0 && harness.Services.Closed == 50));
            Assert.Equal(50, harness.Stack.TimeWait.Count);
        },
        new StackOptions { TimeWait = 3_600_000_000 });

    // A program that ends its own direction, and reads what came for it only when both are over.
    [KernelTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_program_that_closed_first_loses_nothing_and_leaves_no_port_waiting(bool v6) => KernelHarness.Run(harness =>
    {
        for (int i = 0; i < 20; i++)
        {
            using Socket socket = KernelHarness.Connect(PortServices.Echo, v6);
            byte[] bytes = new byte[30_000], answer = new byte[bytes.Length];
            Pattern.Fill(bytes, PortServices.Seed, 0);
            KernelTransfer.SendAll(socket, bytes);
            socket.Shutdown(SocketShutdown.Send);
            Assert.True(harness.Eventually(stack => stack.ConnectionCount == 0));
            KernelTransfer.ReadExactly(socket, answer);
            Assert.Equal(bytes, answer);
            Assert.Equal(0, socket.Receive(answer));
        }

        // The device may hand the last reset over a moment later. By itself the kernel waits for a minute.
        for (int i = 0; i < 100 && HasWaiting(); i++)
            Thread.Sleep(10);
        Assert.False(HasWaiting());
        Assert.Equal(20, harness.Services.Closed);

        bool HasWaiting()
        {
            const string state = "06";
            return File.ReadLines($"/proc/thread-self/net/{(v6 ? "tcp6" : "tcp")}").Any(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3] == state);
        }
    });

    [KernelFact]
    public void The_program_may_send_long_after_the_far_side_has_ended() => KernelHarness.Run(harness =>
    {
        using Socket socket = KernelHarness.Connect(PortServices.HalfClose);
        byte[] one = new byte[1];
        Assert.Equal(0, socket.Receive(one));
        byte[] bytes = new byte[Megabyte];
        Pattern.Fill(bytes, PortServices.Seed, 0);
        KernelTransfer.SendAll(socket, bytes);
        socket.Shutdown(SocketShutdown.Send);
        Assert.True(harness.Eventually(_ => harness.Services.Closed == 1));
    });

    [KernelFact]
    public void A_reset_by_the_program_reaches_the_handler() => KernelHarness.Run(harness =>
    {
        using (Socket socket = KernelHarness.Connect(PortServices.Echo))
        {
            KernelTransfer.SendAll(socket, "x"u8);
            KernelTransfer.ReadExactly(socket, new byte[1]);
            socket.LingerState = new LingerOption(true, 0);
        }
        Assert.True(harness.Eventually(_ => harness.Services.Resets == 1));
    });

    [KernelFact]
    public void An_abort_by_the_far_side_reaches_the_program() => KernelHarness.Run(_ =>
    {
        using Socket socket = KernelHarness.Connect(PortServices.AbortAfterData);
        KernelTransfer.SendAll(socket, "x"u8);
        SocketException failure = Assert.Throws<SocketException>(() => { socket.Receive(new byte[1]); });
        Assert.Equal(SocketError.ConnectionReset, failure.SocketErrorCode);
    });

    [KernelFact]
    public void A_closed_window_stops_the_program_and_an_open_one_lets_it_go_on() => KernelHarness.Run(harness =>
    {
        const long length = 4 * Megabyte;
        using Socket socket = KernelHarness.Connect(PortServices.LateReader);
        socket.SendBufferSize = 256 * 1024;
        byte[] bytes = new byte[length];
        Pattern.Fill(bytes, PortServices.Seed, 0);
        socket.Blocking = false;
        int sent = 0;
        SocketError error;
        do
        {
            sent += socket.Send(bytes, sent, bytes.Length - sent, SocketFlags.None, out error);
        }
        while (error == SocketError.Success && sent < length);
        Assert.Equal(SocketError.WouldBlock, error);
        Thread.Sleep(600); // the kernel's window probes come and are answered
        Assert.True(harness.OnStack((_, _) => harness.Services.LateReaders[0].Received) <= 64 * 1024);
        harness.OnStack((_, _) => { harness.Services.LateReaders[0].Open(); return 0; });
        socket.Blocking = true;
        KernelTransfer.SendAll(socket, bytes.AsSpan(sent));
        socket.Shutdown(SocketShutdown.Send);
        Assert.True(harness.Eventually(_ => harness.Services.LateReaders[0].Received == length));
    });

    [KernelFact]
    public void A_program_that_does_not_read_holds_back_the_far_side_and_gets_everything_later() => KernelHarness.Run(harness =>
    {
        const long length = 16 * Megabyte;
        using Socket socket = KernelHarness.Connect(PortServices.Source);
        socket.ReceiveBufferSize = 64 * 1024;
        byte[] request = new byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(request, length);
        KernelTransfer.SendAll(socket, request);
        Thread.Sleep(1_500); // long enough for the persist timer
        Assert.Equal(length, KernelTransfer.ReadPattern(socket));
    });

    [KernelFact]
    public void Thousands_of_connections_one_after_another_and_hundreds_at_once() => KernelHarness.Run(harness =>
    {
        byte[] one = new byte[1];
        for (int i = 0; i < 2_000; i++)
        {
            using Socket socket = KernelHarness.Connect(PortServices.Echo);
            KernelTransfer.SendAll(socket, "x"u8);
            KernelTransfer.ReadExactly(socket, one);
        }
        List<Socket> open = [];
        for (int i = 0; i < 300; i++)
            open.Add(KernelHarness.Connect(PortServices.Echo, v6: i % 2 == 0));
        Assert.True(harness.Eventually(stack => stack.ConnectionCount == 300));
        foreach (Socket socket in open)
        {
            KernelTransfer.SendAll(socket, "y"u8);
            KernelTransfer.ReadExactly(socket, one);
            socket.Dispose();
        }
        Assert.True(harness.Eventually(stack => stack.ConnectionCount == 0));
        Assert.Equal(2_300, harness.Services.Closed);
    });

    [KernelFact]
    public void Uploads_together_do_not_overflow_the_queue_of_the_device() => KernelHarness.Run(
        harness =>
        {
            // A queue of 500 packets is what a TUN has by default; without offload it holds 730 KB.
            List<Thread> programs = [];
            List<Exception> failures = [];
            for (int i = 0; i < 8; i++)
            {
                var program = new Thread(() =>
                {
                    try
                    {
                        using Socket socket = KernelHarness.Connect(PortServices.Sink);
                        KernelTransfer.Upload(socket, 4 * Megabyte);
                    }
                    catch (Exception e) when (e is SocketException or Xunit.Sdk.XunitException)
                    {
                        lock (failures)
                            failures.Add(e);
                    }
                });
                program.Start();
                programs.Add(program);
            }
            programs.ForEach(program => program.Join());
            Assert.Empty(failures);
            Assert.Equal(0, harness.Stack.Counters.OutOfOrder);
        },
        new StackOptions { Mtu = 1_500, Offload = false, TransmitQueueLength = 500 },
        offloadIn: false);
}
