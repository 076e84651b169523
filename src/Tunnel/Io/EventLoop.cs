using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Telepresence.Tunnel.Io;

/// <summary>
/// The one thread that owns all traffic of a process: it waits for descriptors with epoll(7), lets each handler act, and then ends
/// the turn once for all of them.
/// </summary>
/// <remarks>
/// <para>A turn is: wait; work that other threads posted; every ready descriptor; every <see cref="ITurnHandler"/>. Nothing here or
/// below locks, and nothing allocates per turn.</para>
/// <para>Errors: a handler that throws has a bug or met a fault that ends its process; the loop stops and <see cref="Run"/> throws it.
/// Faults of one flow must be dealt with by that flow's handler.</para>
/// </remarks>
public sealed unsafe class EventLoop : IDisposable
{
    private const int EventCapacity = 256;

    private readonly FileDescriptor _epoll;
    private readonly FileDescriptor _wake;
    private readonly FileDescriptor _timer;
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly List<ITurnHandler> _turnHandlers = [];
    private readonly EpollEventBuffer _events = new(EventCapacity);
    private Watched[] _watched = new Watched[64];
    private uint _registrations;
    private long _armedFor = long.MaxValue;
    private int _wakePending;
    private volatile bool _stopping;

    /// <summary>Makes a loop; it does nothing until <see cref="Run"/>.</summary>
    /// <exception cref="IOException">The kernel refused a descriptor.</exception>
    public EventLoop()
    {
        _epoll = Own(Libc.epoll_create1(Libc.O_CLOEXEC), "epoll_create1");
        _wake = Own(Libc.eventfd(0, Libc.O_CLOEXEC | Libc.O_NONBLOCK), "eventfd");
        const int clockMonotonic = 1;
        _timer = Own(Libc.timerfd_create(clockMonotonic, Libc.O_CLOEXEC | Libc.O_NONBLOCK), "timerfd_create");
        Add(_wake.Number, Readiness.Read, new WakeHandler(this));
        Add(_timer.Number, Readiness.Read, new TimerHandler(this));
    }

    /// <summary>The monotonic clock, microseconds, read anew.</summary>
    public static long Clock => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);

    /// <summary>The clock as it was when this turn began.</summary>
    public long Now { get; private set; } = Clock;

    /// <summary>Watches <paramref name="fd"/> (level-triggered) for <paramref name="interest"/>.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public void Add(int fd, Readiness interest, IReadyHandler handler)
    {
        if (fd >= _watched.Length)
            Array.Resize(ref _watched, Math.Max(fd + 1, _watched.Length * 2));
        uint registration = ++_registrations;
        Control(Libc.EPOLL_CTL_ADD, fd, registration, interest);
        _watched[fd] = new Watched(handler, registration);
    }

    /// <summary>Changes what <paramref name="fd"/> is watched for.</summary>
    public void Modify(int fd, Readiness interest) => Control(Libc.EPOLL_CTL_MOD, fd, _watched[fd].Registration, interest);

    /// <summary>Stops watching <paramref name="fd"/>. Must come before the descriptor is closed. Without effect when it is not watched,
    /// as after an <see cref="Add"/> that failed.</summary>
    public void Remove(int fd)
    {
        if ((uint)fd >= (uint)_watched.Length || _watched[fd].Handler is null)
            return;
        _watched[fd] = default;
        Control(Libc.EPOLL_CTL_DEL, fd, 0, Readiness.None);
    }

    /// <summary>Adds a part that acts at the end of each turn, behind those that were added before.</summary>
    public void AddTurnHandler(ITurnHandler handler) => _turnHandlers.Add(handler);

    /// <summary>Takes a part out again. Must not be called from inside a turn handler.</summary>
    public void RemoveTurnHandler(ITurnHandler handler) => _turnHandlers.Remove(handler);

    /// <summary>Runs <paramref name="work"/> on the loop's thread, soon; from that thread: in the next turn. Any thread may call this.
    /// A loop that has stopped does nothing more.</summary>
    public void Post(Action work)
    {
        _posted.Enqueue(work);
        if (Interlocked.Exchange(ref _wakePending, 1) == 0)
            Wake();
    }

    /// <summary>Runs <paramref name="work"/> on the loop's thread and gives its result, which never comes when the loop has stopped.
    /// Any other thread may call this.</summary>
    public Task<T> InvokeAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() =>
        {
            try
            {
                result.SetResult(work());
            }
            catch (Exception fault) when (fault is not OutOfMemoryException)
            {
                result.SetException(fault);
            }
        });
        return result.Task;
    }

    /// <summary>Asks the loop to return from <see cref="Run"/> after the present turn. Any thread may call this.</summary>
    public void Stop()
    {
        _stopping = true;
        Wake();
    }

    /// <summary>Turns until <see cref="Stop"/>.</summary>
    public void Run()
    {
        while (!_stopping)
            Turn(wait: true);
    }

    /// <summary>Starts <see cref="Run"/> on a thread of its own.</summary>
    /// <param name="name">The thread's name, as shown by tools.</param>
    /// <returns>A task that ends when the loop has stopped, with the fault that stopped it if one did.</returns>
    public Task Start(string name)
    {
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread thread = new(() =>
        {
            try
            {
                Run();
                ended.SetResult();
            }
            catch (Exception fault)
            {
                // The one catch-all of the thread: the fault is the loop's result.
                ended.SetException(fault);
            }
        })
        {
            Name = name,
            IsBackground = true,
        };
        thread.Start();
        return ended.Task;
    }

    /// <summary>One turn.</summary>
    /// <param name="wait">Whether to wait for something to do.</param>
    internal void Turn(bool wait)
    {
        int ready = WaitForEvents(wait ? Timeout() : 0);
        Now = Clock;
        Volatile.Write(ref _wakePending, 0);

        // What this work posts waits for the next turn: a goodbye that it made goes out before what it posted closes the link.
        for (int count = _posted.IsEmpty ? 0 : _posted.Count; count > 0 && _posted.TryDequeue(out Action? work); count--)
            work();
        for (int i = 0; i < ready; i++)
        {
            (int fd, uint registration, Readiness readiness) = _events[i];

            // A handler served earlier in this turn may have closed this descriptor, and another one may have its number by now.
            ref Watched watched = ref _watched[fd];
            if (watched.Handler is { } handler && watched.Registration == registration)
                handler.OnReady(readiness, Now);
        }

        foreach (ITurnHandler handler in CollectionsMarshal.AsSpan(_turnHandlers))
            handler.OnTurn(Now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _epoll.Dispose();
        _wake.Dispose();
        _timer.Dispose();
    }

    private static FileDescriptor Own(int fd, string call) => fd >= 0 ? new FileDescriptor(fd) : throw Libc.Failure(call);

    private void Control(int operation, int fd, uint registration, Readiness interest)
    {
        if (!EpollEventBuffer.Control(_epoll.Number, operation, fd, registration, interest))
            throw Libc.Failure($"epoll_ctl on descriptor {fd}");
    }

    private int WaitForEvents(int timeoutMilliseconds)
    {
        int ready = _events.Wait(_epoll.Number, timeoutMilliseconds);
        if (ready >= 0)
            return ready;
        return Libc.Errno == Libc.EINTR ? 0 : throw Libc.Failure("epoll_wait");
    }

    // epoll_wait counts in milliseconds, too coarse for a retransmission on a memory link; a timerfd carries the exact deadline. Deadlines move
    // with every turn, mostly away: a timer that is set too early stays, because one turn for nothing now and then costs less than a call in each.
    private int Timeout()
    {
        long deadline = long.MaxValue;
        foreach (ITurnHandler handler in CollectionsMarshal.AsSpan(_turnHandlers))
            deadline = Math.Min(deadline, handler.NextDeadline);
        if (!_posted.IsEmpty || _stopping)
            return 0;
        if (deadline == long.MaxValue)
            return -1;
        if (deadline <= Clock)
            return 0;
        if (deadline < _armedFor)
            Arm(deadline);
        return -1;
    }

    private void Arm(long deadline)
    {
        const int absolute = 1;
        Libc.TimerSpec value = default;
        value.ValueSeconds = deadline / 1_000_000;
        value.ValueNanoseconds = deadline % 1_000_000 * 1000;
        if (Libc.timerfd_settime(_timer.Number, absolute, &value, null) != 0)
            throw Libc.Failure("timerfd_settime");
        _armedFor = deadline;
    }

    private void Wake()
    {
        ulong one = 1;
        if (!_wake.IsClosed && Libc.write(_wake.Number, &one, sizeof(ulong)) < 0 && Libc.Errno != Libc.EAGAIN)
            throw Libc.Failure("eventfd write");
    }

    private static void Drain(FileDescriptor counter)
    {
        ulong count;
        if (Libc.read(counter.Number, &count, sizeof(ulong)) < 0 && Libc.Errno is not (Libc.EAGAIN or Libc.EINTR))
            throw Libc.Failure("read of a counter descriptor");
    }

    // The registration tells a descriptor from an earlier one of the same number.
    private readonly record struct Watched(IReadyHandler? Handler, uint Registration);

    private sealed class WakeHandler(EventLoop loop) : IReadyHandler
    {
        public void OnReady(Readiness readiness, long now) => Drain(loop._wake);
    }

    private sealed class TimerHandler(EventLoop loop) : IReadyHandler
    {
        public void OnReady(Readiness readiness, long now)
        {
            Drain(loop._timer);
            loop._armedFor = long.MaxValue;
        }
    }
}
