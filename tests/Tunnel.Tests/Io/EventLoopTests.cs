using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Io;

public sealed class EventLoopTests
{
    [Fact]
    public void A_readable_descriptor_is_served_and_a_removed_one_is_not()
    {
        using EventLoop loop = new();
        (FileDescriptor near, FileDescriptor far) = Pair();
        using (near)
        using (far)
        {
            Recorder recorder = new();
            loop.Add(near.Number, Readiness.Read, recorder);
            WriteByte(far);
            loop.Turn(wait: true);
            Assert.Equal(Readiness.Read, recorder.Seen);
            loop.Remove(near.Number);
            recorder.Seen = Readiness.None;
            loop.Turn(wait: false);
            Assert.Equal(Readiness.None, recorder.Seen);
        }
    }

    [Fact]
    public async Task Work_posted_by_another_thread_runs_on_the_loop_and_its_fault_reaches_the_caller()
    {
        using EventLoop loop = new();
        Task ended = loop.Start("test loop");
        int thread = await loop.InvokeAsync(() => Environment.CurrentManagedThreadId);
        Assert.NotEqual(Environment.CurrentManagedThreadId, thread);
        await Assert.ThrowsAsync<InvalidOperationException>(() => loop.InvokeAsync<int>(() => throw new InvalidOperationException("wanted")));
        loop.Stop();
        await ended;
    }

    [Fact]
    public void A_deadline_ends_the_wait()
    {
        using EventLoop loop = new();
        Deadline deadline = new() { NextDeadline = EventLoop.Clock + 2000 };
        loop.AddTurnHandler(deadline);
        while (!deadline.Passed)
            loop.Turn(wait: true);
        Assert.Equal(long.MaxValue, deadline.NextDeadline);
    }

    [Fact]
    public async Task A_fault_in_a_handler_is_the_loops_result()
    {
        using EventLoop loop = new();
        Task ended = loop.Start("test loop");
        loop.Post(() => throw new InvalidOperationException("wanted"));
        Assert.Equal("wanted", (await Assert.ThrowsAsync<InvalidOperationException>(() => ended)).Message);
    }

    [Fact]
    public void An_event_of_a_descriptor_that_is_gone_does_not_reach_the_one_that_took_its_number()
    {
        using EventLoop loop = new();
        (FileDescriptor first, FileDescriptor firstFar) = Pair();
        (FileDescriptor second, FileDescriptor secondFar) = Pair();
        using (first)
        using (firstFar)
        using (second)
        using (secondFar)
        {
            // Whichever is served first takes the other out and puts another handler under its number, as a close and a new socket would.
            Recorder successor = new();
            loop.Add(first.Number, Readiness.Read, new Replacer(loop, second.Number, successor));
            loop.Add(second.Number, Readiness.Read, new Replacer(loop, first.Number, successor));
            WriteByte(firstFar);
            WriteByte(secondFar);
            loop.Turn(wait: true);
            Assert.Equal(Readiness.None, successor.Seen);
        }
    }

    [Fact]
    public void Work_that_posted_work_posts_runs_in_the_next_turn()
    {
        using EventLoop loop = new();
        List<string> order = [];
        loop.AddTurnHandler(new TurnRecorder(order));
        loop.Post(() =>
        {
            order.Add("first");
            loop.Post(() => order.Add("second"));
        });
        loop.Turn(wait: true);
        loop.Turn(wait: true);
        Assert.Equal(["first", "end of turn", "second", "end of turn"], order);
    }

    [Fact]
    public void A_descriptor_that_cannot_be_watched_can_be_taken_out_all_the_same()
    {
        using EventLoop loop = new();
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(typeof(EventLoopTests).Assembly.Location);
        int number = (int)file.DangerousGetHandle();
        Assert.Throws<IOException>(() => loop.Add(number, Readiness.Read, new Recorder()));
        loop.Remove(number);
    }

    private static unsafe void WriteByte(FileDescriptor file)
    {
        byte one = 1;
        Assert.Equal(1, Libc.write(file.Number, &one, 1));
    }

    private static unsafe (FileDescriptor Near, FileDescriptor Far) Pair()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0, pair));
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }

    private sealed class Recorder : IReadyHandler
    {
        public Readiness Seen { get; set; }

        public void OnReady(Readiness readiness, long now) => Seen = readiness;
    }

    private sealed class Deadline : ITurnHandler
    {
        public long NextDeadline { get; set; }

        public bool Passed { get; private set; }

        public void OnTurn(long now)
        {
            if (now < NextDeadline)
                return;
            Passed = true;
            NextDeadline = long.MaxValue;
        }
    }

    private sealed class Replacer(EventLoop loop, int other, IReadyHandler successor) : IReadyHandler
    {
        public void OnReady(Readiness readiness, long now)
        {
            loop.Remove(other);
            loop.Add(other, Readiness.None, successor);
        }
    }

    private sealed class TurnRecorder(List<string> order) : ITurnHandler
    {
        public long NextDeadline => long.MaxValue;

        public void OnTurn(long now) => order.Add("end of turn");
    }
}
