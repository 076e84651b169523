using System.IO.Pipelines;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>One stream of a <see cref="SpdySession"/>.</summary>
internal sealed class SpdyStream(SpdySession session, int id, IReadOnlyDictionary<string, string> headers)
{
    private readonly Pipe _input = new(new PipeOptions(pauseWriterThreshold: 1 << 20, resumeWriterThreshold: 1 << 19));

    public PipeWriter Input => _input.Writer;

    public PipeReader Reader => _input.Reader;

    /// <summary>error, data, stdin, stdout, stderr or resize.</summary>
    public string Type => Header("streamtype");

    public string Header(string name) => headers.GetValueOrDefault(name, "");

    public Task WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel) => session.SendDataAsync(id, data, false, cancel);

    /// <summary>Ends this direction.</summary>
    public Task FinishAsync(CancellationToken cancel) => session.SendDataAsync(id, default, true, cancel);
}
