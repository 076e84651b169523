using Microsoft.Win32.SafeHandles;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class DaemonChannelPeerTests : IDisposable
{
    private readonly List<Exception> _faults = [];
    private readonly List<Message> _handled = [];
    private readonly DescriptorSocket _root, _user;

    public DaemonChannelPeerTests()
    {
        (_root, FileDescriptor theirs) = DescriptorSocket.CreatePair();
        _user = new DescriptorSocket(theirs);
    }

    public void Dispose()
    {
        _root.Dispose();
        _user.Dispose();
    }

    [Fact]
    public async Task A_question_gets_its_answer_with_the_open_files_that_come_with_it()
    {
        using DaemonChannel root = Channel(_root, takesDescriptors: false, static _ => new Message
        {
            Kind = MessageKind.Configured,
            Descriptors = [OpenFile()],
        });
        using DaemonChannel user = Channel(_user, takesDescriptors: true, static _ => null);
        Message answer = await user.CallAsync(new Message { Kind = MessageKind.Configure }, default);
        Assert.Equal(MessageKind.Configured, answer.Kind);
        using FileDescriptor received = Assert.Single(answer.Descriptors);
        Assert.StartsWith("/proc", File.ResolveLinkTarget($"/proc/self/fd/{received.Number}", returnFinalTarget: false)!.FullName, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_open_file_sent_to_a_daemon_that_takes_none_ends_the_conversation()
    {
        using DaemonChannel root = Channel(_root, takesDescriptors: false, static _ => null);
        using FileDescriptor copy = OpenFile();
        _user.Send(MessageJson.Encode(new Message { Kind = MessageKind.Quit }), [copy]);
        await root.Closed;
        Assert.IsType<IOException>(Assert.Single(_faults));
        Assert.Empty(_handled);
    }

    [Fact]
    public async Task A_daemon_that_does_not_read_does_not_stop_the_other_one()
    {
        using DaemonChannel root = Channel(_root, takesDescriptors: false, static _ => null);
        Message large = new() { Kind = MessageKind.Changed, Text = new string('x', 10_000) };
        while (!root.Closed.IsCompleted)
            root.Post(large);
        UserError gone = await Assert.ThrowsAsync<UserError>(() => root.CallAsync(new Message { Kind = MessageKind.Stop }, default));
        Assert.Equal(ExitCode.DaemonLost, gone.ExitCode);
    }

    [Fact]
    public async Task What_is_not_a_message_ends_the_conversation()
    {
        using DaemonChannel root = Channel(_root, takesDescriptors: false, static _ => null);
        _user.Send("{\"kind\":\"Nonsense\"}"u8, []);
        await root.Closed;
        Assert.IsType<IOException>(Assert.Single(_faults));
    }

    private DaemonChannel Channel(DescriptorSocket socket, bool takesDescriptors, Func<Message, Message?> handle)
    {
        DaemonChannel channel = new(
            socket,
            takesDescriptors,
            message =>
            {
                _handled.Add(message);
                return Task.FromResult(handle(message));
            },
            _faults.Add);
        channel.Start();
        return channel;
    }

    private static FileDescriptor OpenFile()
    {
        using SafeFileHandle handle = File.OpenHandle("/proc/self/stat");
        FileDescriptor descriptor = new((int)handle.DangerousGetHandle());
        handle.SetHandleAsInvalid();
        return descriptor;
    }
}
