using System.Buffers.Binary;
using System.Text;

using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Tests.Forward;

namespace Telepresence.Proxy.Tests;

public sealed class FilesHostTests : IAsyncLifetime
{
    // draft-ietf-secsh-filexfer-02, the version that OpenSSH speaks.
    private const byte Init = 1, Open = 3, Version = 2, Status = 101, Handle = 102;
    private const int PermissionDenied = 3, ReadFlag = 1, WriteAndCreateFlags = 0x2 | 0x8;

    private readonly RunningProxy _proxy = new();
    private readonly ProxyClient _client = new();
    private readonly StreamRecorder _files = new();
    private readonly string _path = Path.GetTempFileName();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        File.Delete(_path);
        _client.Dispose();
        await _proxy.DisposeAsync();
    }

    [Theory]
    [InlineData(new byte[0], Status)]
    [InlineData(new byte[] { 0 }, Status)]
    [InlineData(new byte[] { 1 }, Handle)]
    public void Files_can_be_read_and_only_written_when_asked_for(byte[] target, byte answerToWriting)
    {
        _client.Link(_proxy.Port);
        MuxStream stream = _client.Open(StreamKind.Files, target, _files);
        _client.Turns.Until(() => _files.Accepted);
        Send(stream, [Init, 0, 0, 0, 3]);
        Assert.Equal(Version, Receive()[0]);
        Send(stream, OpenRequest(ReadFlag));
        Assert.Equal(Handle, Receive()[0]);
        Send(stream, OpenRequest(WriteAndCreateFlags));
        byte[] answer = Receive();
        Assert.Equal(answerToWriting, answer[0]);
        if (answerToWriting == Status)
            Assert.Equal(PermissionDenied, BinaryPrimitives.ReadInt32BigEndian(answer.AsSpan(5)));
        stream.WriteEnd(_client.Now);
        _client.Turns.Until(() => _files.Ended);
    }

    [Fact]
    public void A_malformed_target_is_refused()
    {
        _client.Link(_proxy.Port);
        _client.Open(StreamKind.Files, [2], _files);
        _client.Turns.Until(() => _files.Refused is not null);
        Assert.Equal(RefuseCode.ProtocolError, _files.Refused);
    }

    private byte[] OpenRequest(int flags)
    {
        byte[] name = Encoding.UTF8.GetBytes(_path);
        byte[] request = [Open, 0, 0, 0, 7, 0, 0, 0, (byte)name.Length, .. name, 0, 0, 0, (byte)flags, 0, 0, 0, 0];
        return request;
    }

    private void Send(MuxStream stream, byte[] message) => stream.Write([0, 0, 0, (byte)message.Length, .. message], _client.Now);

    private byte[] Receive()
    {
        int length = 0;
        _client.Turns.Until(() =>
            _files.Bytes.Count >= 4 && _files.Bytes.Count >= 4 + (length = BinaryPrimitives.ReadInt32BigEndian([.. _files.Bytes[..4]])));
        byte[] message = [.. _files.Bytes.Skip(4).Take(length)];
        _files.Bytes.RemoveRange(0, 4 + length);
        return message;
    }
}
