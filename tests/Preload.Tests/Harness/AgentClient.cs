using System.Net;

using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Preload;
using Telepresence.Tunnel.Io;

namespace Telepresence.Preload.Tests.Harness;

/// <summary>Talks to the agent as the shim does, for what the shim would never do.</summary>
internal sealed unsafe class AgentClient : IDisposable
{
    internal const byte Direct = 1, Error = 2;

    private const int SeqPacket = 5;

    private readonly FileDescriptor _socket;

    internal AgentClient(PreloadMethod method)
    {
        string path = method.Variables(null)[PreloadEnvironment.SettingsVariable].Split(';')[6];
        _socket = new FileDescriptor(Libc.socket(Libc.AF_UNIX, SeqPacket | Libc.SOCK_CLOEXEC, 0));
        byte[] address = [Libc.AF_UNIX, 0, .. System.Text.Encoding.UTF8.GetBytes(path), 0];
        fixed (byte* at = address)
            Assert.Equal(0, Libc.connect(_socket.Number, at, (uint)address.Length));
    }

    internal IPEndPoint MapTcp(string address, int port) => ReadEndpoint(Ask(1, address, port));

    internal IPEndPoint MapUdp(string address, int port) => ReadEndpoint(Ask(2, address, port));

    /// <summary>The errno, 0 for a connection that stands.</summary>
    internal int Verdict() => Receive()[1];

    internal void Claim(IPEndPoint local) => Write(Message(7, local.Address, local.Port));

    /// <summary>Says of a program that it is linked statically.</summary>
    internal void Notice(string program) => Write([(byte)PreloadQuestion.Notice, (byte)ProgramObstacle.Static, 0, 0, .. System.Text.Encoding.UTF8.GetBytes(program)]);

    internal byte[] Ask(byte question, string address, int port) => Send(Message(question, IPAddress.Parse(address), port));

    /// <summary>Sends a message; the answer, empty when the agent hangs up.</summary>
    internal byte[] Send(byte[] message)
    {
        Write(message);
        return Receive();
    }

    public void Dispose() => _socket.Dispose();

    private static byte[] Message(byte question, IPAddress address, int port) =>
        [question, 0, (byte)(port >> 8), (byte)port, .. address.MapToIPv6().GetAddressBytes()];

    private static IPEndPoint ReadEndpoint(byte[] answer)
    {
        Assert.Equal(0, answer[0]);
        return new IPEndPoint(new IPAddress(answer.AsSpan(4, 16)).MapToIPv4(), answer[2] << 8 | answer[3]);
    }

    private void Write(byte[] message)
    {
        fixed (byte* at = message)
            Assert.Equal(message.Length, Libc.send(_socket.Number, at, (nuint)message.Length, Libc.MSG_NOSIGNAL));
    }

    private byte[] Receive()
    {
        byte[] answer = new byte[4096];
        nint length;
        fixed (byte* at = answer)
            length = Libc.recv(_socket.Number, at, (nuint)answer.Length, 0);
        return answer[..(int)Math.Max(length, 0)];
    }
}
