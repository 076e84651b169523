using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>A framing that adds nothing to the bytes, so that a peer without one understands them, and writes down what the pump does.</summary>
internal sealed class CountingFraming : ILinkFraming
{
    internal const int Limit = 50_000;

    public int MaxMessage => Limit;

    public int Overhead => 0;

    public bool HasOutput => Owes;

    public string? End { get; set; }

    /// <summary>Whether there is something to send; what that is, is nothing.</summary>
    internal bool Owes { get; set; }

    /// <summary>Length of the longest message.</summary>
    internal int Longest { get; private set; }

    internal string? ClosedBecause { get; private set; }

    public int Unwrap(Span<byte> bytes) => bytes.Length;

    public int Wrap(ReadOnlySpan<IoVector> vectors, Span<byte> output)
    {
        Owes = false;
        int written = 0;
        foreach (IoVector vector in vectors)
        {
            vector.Span.CopyTo(output[written..]);
            written += vector.Span.Length;
        }

        Longest = Math.Max(Longest, written);
        return written;
    }

    public void Closed(string reason)
    {
        Assert.Null(ClosedBecause);
        ClosedBecause = reason;
    }
}
