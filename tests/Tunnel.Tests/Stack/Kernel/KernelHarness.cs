using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Tun;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>
/// The Linux kernel as the stack's peer. A thread moves into a network namespace of its own (namespaces belong to threads, and everything
/// it starts inherits it), makes a TUN device there, and a second thread pumps frames between device and stack, through a link
/// that may lose, double and delay them. The scenario runs on the first thread with ordinary blocking sockets. When the threads end,
/// namespace and device are gone.
/// </summary>
/// <remarks>Topology: 10.77.0.1/24 and fd77::1/64 on the device; every other address of these networks is served by the stack.</remarks>
internal sealed partial class KernelHarness : IPacketOutput, IDisposable
{
    private const int CloneNewNet = 0x4000_0000;
    private const long LongestTurn = 30_000; // µs

    private readonly TunDevice _device;
    private readonly FaultyLink _inward;
    private readonly FaultyOutput? _outward;
    private readonly Thread _pump;
    private readonly Lock _gate = new();
    private volatile bool _stopping;
    private Exception? _pumpFailure;

    // When the last turn began, by the machine's clock and by the stack's.
    private long _turned = Clock;
    private long _turnedAt = Clock;

    private KernelHarness(StackOptions options, Faults faults, int seed, bool offloadIn)
    {
        _device = TunDevice.Create("tel0");
        if (!offloadIn && Libc.ioctl(_device.Descriptor.Number, 0x400454d0, 0) != 0)
            throw new InvalidOperationException("TUNSETOFFLOAD");
        Run($"link set lo up");
        Run($"link set tel0 mtu {options.Mtu} txqueuelen {options.TransmitQueueLength}");
        Run("addr add 10.77.0.1/24 dev tel0");
        Run("-6 addr add fd77::1/64 dev tel0 nodad");
        Run("link set tel0 up");
        // bbr paces by itself and is slow over a memory link; the routes of the real device carry this attribute as well.
        Run("route replace 10.77.0.0/24 dev tel0 src 10.77.0.1 congctl cubic");
        Run("-6 route replace fd77::/64 dev tel0 congctl cubic");
        // Even without duplicate address detection an IPv6 address is not usable at once (flag 0x40, tentative).
        while (File.ReadLines("/proc/thread-self/net/if_inet6").Any(line => (Convert.ToInt32(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4], 16) & 0x40) != 0))
            Thread.Sleep(1);
        _inward = new FaultyLink(faults, seed, (frame, now) => Stack!.Receive(frame, now));
        _outward = faults.None ? null : new FaultyOutput(faults, seed + 1, Write, () => Now);
        Services = new PortServices { Stack = () => Stack! };
        Faulty = !faults.None;
        Stack = new NetworkStack(options, new ChunkPool(), _outward is null ? this : _outward, Services);
        _pump = new Thread(Pump) { IsBackground = true, Name = "pump" };
        _pump.Start();
    }

    public NetworkStack Stack { get; }
    public PortServices Services { get; }
    public bool Faulty { get; }

    private static long Clock => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);

    /// <summary>
    /// The stack's time. No turn takes longer than <see cref="LongestTurn"/> in it: were the pump not given the processor for a while, timers
    /// would run out before what has come meanwhile is read.
    /// </summary>
    private long Now => _turnedAt + Math.Min(Clock - _turned, LongestTurn);

    /// <summary>Runs a scenario in a fresh namespace and rethrows what it throws.</summary>
    public static void Run(Action<KernelHarness> scenario, StackOptions? options = null, Faults? faults = null, int seed = 1, bool offloadIn = true)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                if (Unshare(CloneNewNet) != 0)
                    throw new InvalidOperationException($"unshare: errno {Marshal.GetLastPInvokeError()}");
                using var harness = new KernelHarness(options ?? new StackOptions(), faults ?? new Faults(), seed, offloadIn);
                scenario(harness);
                harness.Stop();
                Assert.Empty(harness.Services.Errors);
                Assert.Equal(0, harness.Stack.Counters.Malformed);
                Assert.Equal(0, harness.Stack.Counters.BadChecksum);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { Name = "namespace" };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>A connected blocking socket, with time-outs so that a lost byte fails a test and does not hang it.</summary>
    public static Socket Connect(int port, bool v6 = false)
    {
        var socket = new Socket(v6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = 60_000,
            SendTimeout = 60_000,
            NoDelay = true,
        };
        try
        {
            socket.Connect(new IPEndPoint(FarSide(v6), port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static IPAddress FarSide(bool v6) => IPAddress.Parse(v6 ? "fd77::80" : "10.77.0.80");

    /// <summary>Runs something on the stack between two turns of the pump.</summary>
    public T OnStack<T>(Func<NetworkStack, long, T> action)
    {
        lock (_gate)
        {
            T result = action(Stack, Now);
            Stack.Flush(Now);
            return result;
        }
    }

    /// <summary>Waits, up to a minute, until something is true of the stack.</summary>
    public bool Eventually(Func<NetworkStack, bool> condition)
    {
        for (int i = 0; i < 6_000; i++)
        {
            if (OnStack((stack, _) => condition(stack)))
                return true;
            Thread.Sleep(10);
        }
        return false;
    }

    public bool Send(ReadOnlySpan<IoVector> vectors) => _device.Write(vectors);

    public void Stop()
    {
        _stopping = true;
        _pump.Join();
        if (_pumpFailure is not null)
            ExceptionDispatchInfo.Throw(_pumpFailure);
    }

    public void Dispose()
    {
        _stopping = true;
        _pump.Join();
        _device.Dispose();
    }

    private unsafe void Write(byte[] frame, long now)
    {
        fixed (byte* at = frame)
        {
            var vector = new IoVector(at, frame.Length);
            _device.Write(new ReadOnlySpan<IoVector>(in vector));
        }
    }

    private unsafe void Pump()
    {
        try
        {
            byte[] buffer = GC.AllocateUninitializedArray<byte>(TunDevice.MaxFrameLength, pinned: true);
            while (!_stopping)
            {
                long wait;
                lock (_gate)
                {
                    long deadline = Math.Min(Stack.NextDeadline, Math.Min(_inward.NextDeadline, _outward?.Link.NextDeadline ?? long.MaxValue));
                    wait = Math.Clamp((deadline - Now + 999) / 1000, 0, 20);
                }
                var poll = new PollRequest { Descriptor = _device.Descriptor.Number, Events = 1 };
                _ = PollDescriptors(&poll, 1, (int)wait);
                lock (_gate)
                {
                    Turn(buffer);
                }
            }
        }
        catch (Exception e)
        {
            _pumpFailure = e;
        }
    }

    private void Turn(byte[] buffer)
    {
        long clock = Clock;
        _turnedAt += Math.Min(clock - _turned, LongestTurn);
        _turned = clock;
        long now = _turnedAt;
        for (int i = 0; i < 64; i++)
        {
            int length = _device.Read(buffer);
            if (length == 0)
                break;
            if (Faulty)
                _inward.Send(buffer.AsSpan(0, length).ToArray(), now);
            else
                Stack.Receive(buffer.AsSpan(0, length), now);
        }
        _inward.Poll(now);
        _outward?.Link.Poll(now);
        Stack.Poll(now);
    }

    private static void Run(string arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"ip {arguments}: {errors}");
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static unsafe partial int PollDescriptors(PollRequest* requests, nuint count, int milliseconds);
}
