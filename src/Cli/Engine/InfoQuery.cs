using System.Buffers;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Engine;

/// <summary>Asks the proxy about itself: one stream, one JSON document, end.</summary>
/// <param name="session">The session that is asked through.</param>
internal sealed class InfoQuery(MuxSession session) : IMuxStreamHandler
{
    private const int MaxLength = 1 << 20;

    private readonly ArrayBufferWriter<byte> _report = new();
    private readonly TaskCompletionSource<byte[]> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The document; fails with <see cref="SessionLostException"/>.</summary>
    internal Task<byte[]> Report => _done.Task;

    void IMuxStreamHandler.OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        stream.Consume(bytes.Length, now);
        if (_report.WrittenCount + bytes.Length <= MaxLength)
            _report.Write(bytes);
    }

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now)
    {
        stream.WriteEnd(now);
        _done.TrySetResult(_report.WrittenSpan.ToArray());
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => Fail(reason);

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now) => Fail(session.EndReason ?? "it reset the stream");

    private void Fail(string reason) => _done.TrySetException(new SessionLostException($"The proxy pod did not report about itself: {reason}."));
}
