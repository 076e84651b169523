using System.Text;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class DaemonChannelTests
{
    [Fact]
    public void Descriptors_travel_with_a_message()
    {
        (DescriptorSocket mine, FileDescriptor theirs) = DescriptorSocket.CreatePair();
        using DescriptorSocket other = new(theirs);
        string path = Path.GetTempFileName();
        using (FileDescriptor file = OpenForWriting(path))
        using (mine)
            mine.Send("hello"u8, [file]);
        List<FileDescriptor> received = [];
        byte[] buffer = new byte[64];

        int count = other.Receive(buffer, received);
        using (FileDescriptor copied = Assert.Single(received))
        using (FileStream copy = new(new Microsoft.Win32.SafeHandles.SafeFileHandle(copied.Number, ownsHandle: false), FileAccess.Write))
            copy.Write("written through the copy"u8);

        Assert.Equal("hello", Encoding.UTF8.GetString(buffer, 0, count));
        Assert.Equal("written through the copy", File.ReadAllText(path));
        Assert.Equal(0, other.Receive(buffer, received));
        File.Delete(path);
    }

    [Fact]
    public async Task A_question_gets_its_answer_while_others_wait()
    {
        TaskCompletionSource slow = new();
        (DaemonChannel asking, DaemonChannel answering) = Pair(
            static _ => Task.FromResult<Message?>(null),
            async message =>
            {
                if (message.Text == "slow")
                    await slow.Task;
                return new Message { Kind = MessageKind.Progress, Text = $"re: {message.Text}" };
            });
        using (asking)
        using (answering)
        {
            Task<Message> first = asking.CallAsync(new Message { Kind = MessageKind.Status, Text = "slow" }, CancellationToken.None);
            Message second = await asking.CallAsync(new Message { Kind = MessageKind.Status, Text = "quick" }, CancellationToken.None);
            slow.SetResult();

            Assert.Equal("re: quick", second.Text);
            Assert.Equal("re: slow", (await first).Text);
        }
    }

    [Fact]
    public async Task A_failure_over_there_is_the_same_failure_here()
    {
        (DaemonChannel asking, DaemonChannel answering) = Pair(static _ => Task.FromResult<Message?>(null), static _ => throw new UserError(ExitCode.TunMissing, "There is no TUN device."));
        using (asking)
        using (answering)
        {
            UserError error = await Assert.ThrowsAsync<UserError>(() => asking.CallAsync(new Message { Kind = MessageKind.Configure }, CancellationToken.None));

            Assert.Equal((ExitCode.TunMissing, "There is no TUN device."), (error.ExitCode, error.Message));
        }
    }

    [Fact]
    public async Task The_end_of_one_daemon_ends_the_other_s_questions()
    {
        TaskCompletionSource asked = new();
        (DaemonChannel asking, DaemonChannel answering) = Pair(
            static _ => Task.FromResult<Message?>(null),
            async _ =>
            {
                asked.SetResult();
                await Task.Delay(Timeout.Infinite);
                return null;
            });
        using (asking)
        {
            Task<Message> question = asking.CallAsync(new Message { Kind = MessageKind.Configure }, CancellationToken.None);
            await asked.Task;
            answering.Dispose();

            Assert.Equal(ExitCode.DaemonLost, (await Assert.ThrowsAsync<UserError>(() => question)).ExitCode);
            await asking.Closed;
        }
    }

    [Fact]
    public async Task Messages_arrive_in_order()
    {
        List<string> heard = [];
        TaskCompletionSource all = new();
        (DaemonChannel telling, DaemonChannel hearing) = Pair(static _ => Task.FromResult<Message?>(null), message =>
        {
            heard.Add(message.Text!);
            if (heard.Count == 100)
                all.SetResult();
            return Task.FromResult<Message?>(null);
        });
        using (telling)
        using (hearing)
        {
            string[] texts = [.. Enumerable.Range(0, 100).Select(static i => $"line {i}")];
            foreach (string text in texts)
                telling.Post(new Message { Kind = MessageKind.Progress, Text = text });
            await all.Task;

            Assert.Equal(texts, heard);
        }
    }

    private static FileDescriptor OpenForWriting(string path)
    {
        Microsoft.Win32.SafeHandles.SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
        FileDescriptor descriptor = new((int)handle.DangerousGetHandle());

        // The descriptor has another owner now.
        handle.SetHandleAsInvalid();
        return descriptor;
    }

    private static (DaemonChannel, DaemonChannel) Pair(Func<Message, Task<Message?>> first, Func<Message, Task<Message?>> second)
    {
        (DescriptorSocket mine, FileDescriptor theirs) = DescriptorSocket.CreatePair();
        DaemonChannel one = new(mine, takesDescriptors: true, first, static fault => Assert.Fail(fault.ToString()));
        DaemonChannel other = new(new DescriptorSocket(theirs), takesDescriptors: true, second, static fault => Assert.Fail(fault.ToString()));
        one.Start();
        other.Start();
        return (one, other);
    }
}
