using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class ControlServerTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("control-server-");

    private string SocketPath => Path.Combine(_directory.FullName, "control.sock");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task Its_socket_is_the_owner_s_alone_and_goes_with_it()
    {
        await using (Start("one"))
        {
            Assert.Equal([SocketPath], Directory.GetFileSystemEntries(_directory.FullName));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
            Assert.Equal("one", await AskAsync());
        }

        Assert.Empty(_directory.GetFileSystemInfos());
        Assert.Null(ControlConnection.TryConnect(SocketPath));
    }

    // As when one of the daemons was killed: the other still tidies while a new pair begins.
    [Fact]
    public async Task One_that_ends_leaves_the_socket_of_the_next_one()
    {
        ControlServer first = Start("one");
        await using (Start("two"))
        {
            Assert.Equal("two", await AskAsync());
            await first.DisposeAsync();
            Assert.Equal("two", await AskAsync());
        }

        Assert.Empty(_directory.GetFileSystemInfos());
    }

    [Fact]
    public async Task Who_asks_and_gets_no_answer_is_told_nothing()
    {
        await using ControlServer server = ControlServer.Start(SocketPath, Posix.geteuid(), static (_, _) => Task.CompletedTask, FileLog.Later(Path.Combine(_directory.Parent!.FullName, "unused"), verbose: false));
        await using ControlConnection connection = ControlConnection.TryConnect(SocketPath)!;
        Assert.Null(await connection.TryAskAsync(new Message { Kind = MessageKind.Status }, default));
    }

    private ControlServer Start(string answer) => ControlServer.Start(
        SocketPath,
        Posix.geteuid(),
        async (connection, cancellation) =>
        {
            while (await connection.ReceiveAsync(cancellation) is not null)
                await connection.SendAsync(new Message { Kind = MessageKind.Progress, Text = answer }, cancellation);
        },
        FileLog.Later(Path.Combine(_directory.Parent!.FullName, "unused"), verbose: false));

    private async Task<string?> AskAsync()
    {
        await using ControlConnection connection = ControlConnection.TryConnect(SocketPath)!;
        return (await connection.TryAskAsync(new Message { Kind = MessageKind.Status }, default))?.Text;
    }
}
