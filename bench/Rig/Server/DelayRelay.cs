using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Telepresence.Rig.Server;

/// <summary>
/// A link over a distance: passes bytes on after a delay, no faster than a rate, and may cut every connection again and again. In user space,
/// because not every kernel has netem.
/// </summary>
/// <param name="listen">Port on the loopback.</param>
/// <param name="to">Port on the loopback that it leads to.</param>
/// <param name="delay">One way.</param>
/// <param name="bytesPerSecond">Each way; 0 for no limit.</param>
/// <param name="cutEvery">How long a connection lives; zero for as long as it wants.</param>
internal sealed class DelayRelay(int listen, int to, TimeSpan delay, double bytesPerSecond, TimeSpan cutEvery)
{
    private const int BufferLength = 64 * 1024, MostInFlight = 256 * 1024 * 1024;

    private readonly TimeSpan _delay = delay;
    private readonly double _bytesPerSecond = bytesPerSecond;

    internal void Run()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, listen));
        listener.Listen(16);
        Console.WriteLine("ready");
        while (true)
        {
            Socket near = listener.Accept();
            Socket far = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                far.Connect(IPAddress.Loopback, to);
            }
            catch (SocketException)
            {
                // What it leads to is not there yet: who called tries again.
                near.Dispose();
                far.Dispose();
                continue;
            }

            near.NoDelay = far.NoDelay = true;
            if (cutEvery > TimeSpan.Zero)
                _ = CutAsync(near, far);
            new Direction(this, near, far).Start();
            new Direction(this, far, near).Start();
        }
    }

    private async Task CutAsync(Socket near, Socket far)
    {
        await Task.Delay(cutEvery);
        foreach (Socket socket in (Socket[])[near, far])
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Dispose();
        }
    }

    /// <summary>One way through the relay: a thread takes bytes in, another gives them out when they are due.</summary>
    private sealed class Direction(DelayRelay owner, Socket from, Socket to)
    {
        private readonly Queue<(long Due, byte[] Bytes)> _queue = [];
        private int _inFlight;
        private bool _ended;

        internal void Start()
        {
            new Thread(() => Guard(TakeIn)) { IsBackground = true }.Start();
            new Thread(() => Guard(GiveOut)) { IsBackground = true }.Start();
        }

        // A link that ends takes both directions with it.
        private void Guard(Action work)
        {
            try
            {
                work();
            }
            catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
            {
                from.Dispose();
                to.Dispose();
            }

            lock (_queue)
            {
                _ended = true;
                Monitor.PulseAll(_queue);
            }
        }

        private void TakeIn()
        {
            byte[] buffer = new byte[BufferLength];
            long free = 0;
            int count;
            while ((count = from.Receive(buffer)) > 0)
            {
                long now = Stopwatch.GetTimestamp();
                free = Math.Max(free, now) + (owner._bytesPerSecond > 0 ? (long)(count / owner._bytesPerSecond * Stopwatch.Frequency) : 0);
                lock (_queue)
                {
                    while (_inFlight > MostInFlight && !_ended)
                        Monitor.Wait(_queue);
                    _queue.Enqueue((free + (long)(owner._delay.TotalSeconds * Stopwatch.Frequency), buffer.AsSpan(0, count).ToArray()));
                    _inFlight += count;
                    Monitor.PulseAll(_queue);
                }
            }
        }

        private void GiveOut()
        {
            while (true)
            {
                (long due, byte[] bytes) next;
                lock (_queue)
                {
                    while (_queue.Count == 0)
                    {
                        if (_ended)
                        {
                            to.Shutdown(SocketShutdown.Send);
                            return;
                        }

                        Monitor.Wait(_queue);
                    }

                    next = _queue.Dequeue();
                    _inFlight -= next.bytes.Length;
                    Monitor.PulseAll(_queue);
                }

                TimeSpan early = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), next.due);
                if (early > TimeSpan.Zero)
                    Thread.Sleep(early);
                for (ReadOnlySpan<byte> left = next.bytes; !left.IsEmpty;)
                    left = left[to.Send(left)..];
            }
        }
    }
}
