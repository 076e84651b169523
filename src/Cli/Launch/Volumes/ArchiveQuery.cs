using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>What the pod has at a path.</summary>
/// <param name="Fingerprint">Of what is there.</param>
/// <param name="Archive">A whole tar archive, or null when the asker has what is there.</param>
internal sealed record ArchiveAnswer(byte[] Fingerprint, MemoryStream? Archive);

/// <summary>The pod cannot give a path, and will not be able to in the next moment: it is missing, not readable or too large.</summary>
/// <param name="code">Which of these.</param>
/// <param name="reason">The proxy's words.</param>
internal sealed class ArchiveRefusedException(RefuseCode code, string reason) : IOException(reason)
{
    internal RefuseCode Code => code;
}

/// <summary>Asks the proxy for one path: one stream, perhaps an archive, end.</summary>
/// <param name="session">The session that is asked through.</param>
internal sealed class ArchiveQuery(MuxSession session) : IMuxStreamHandler
{
    // Headers, their extensions for long names and the padding come on top of the contents.
    private const long MaxLength = ArchiveTarget.MaxContent + (ArchiveTarget.MaxEntries * 4096L);

    private readonly TaskCompletionSource<ArchiveAnswer> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MemoryStream? _archive;
    private MuxStream? _stream;
    private byte[] _fingerprint = [];

    /// <summary>The answer; fails with <see cref="ArchiveRefusedException"/>, or with <see cref="IOException"/> when it may be had later.</summary>
    internal Task<ArchiveAnswer> Answer => _done.Task;

    /// <summary>Asks.</summary>
    internal void Ask(ArchiveTarget target, long now)
    {
        _stream = session.Open(StreamKind.Archive, target.ToBytes(), this, now);
        if (_stream is null)
            Fail("the session takes no more streams");
    }

    /// <summary>Wants no answer any more.</summary>
    internal void GiveUp(long now) => _stream?.Reset(RefuseCode.None, now);

    void IMuxStreamHandler.OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        if (!ArchiveTarget.TryReadAnswer(info, out bool changed, out _fingerprint))
        {
            stream.Reset(RefuseCode.ProtocolError, now);
            Fail("the proxy's answer makes no sense");
            return;
        }

        _archive = changed ? new MemoryStream() : null;
        stream.WriteEnd(now);
    }

    void IMuxStreamHandler.OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        if (_archive is null || _archive.Length + bytes.Length > MaxLength)
        {
            stream.Reset(RefuseCode.ProtocolError, now);
            Fail("the proxy sends more than an archive may hold");
            return;
        }

        stream.Consume(bytes.Length, now);
        _archive.Write(bytes);
    }

    void IMuxStreamHandler.OnEnd(MuxStream stream, long now)
    {
        if (_archive is not null)
            _archive.Position = 0;
        _done.TrySetResult(new ArchiveAnswer(_fingerprint, _archive));
    }

    void IMuxStreamHandler.OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => _done.TrySetException(
        code is RefuseCode.NotFound or RefuseCode.Prohibited or RefuseCode.NoResources or RefuseCode.Unsupported
            ? new ArchiveRefusedException(code, reason)
            : new IOException(reason));

    void IMuxStreamHandler.OnReset(MuxStream stream, RefuseCode code, long now) => Fail(session.EndReason ?? "it changed while it was read");

    private void Fail(string reason) => _done.TrySetException(new IOException(reason));
}
