using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Forward;

/// <summary>What stands around a link's bytes on its socket: the messages of a WebSocket. On the loop's thread.</summary>
public interface ILinkFraming
{
    /// <summary>Most bytes of the session that one message takes.</summary>
    int MaxMessage { get; }

    /// <summary>Most bytes that <see cref="Wrap"/> adds to them.</summary>
    int Overhead { get; }

    /// <summary>Whether there is something to send that is not the session's: an answer to the other side of the framing.</summary>
    bool HasOutput { get; }

    /// <summary>Why nothing more comes, or null.</summary>
    string? End { get; }

    /// <summary>Takes what the socket delivered, in any slicing, and moves the session's part of it to the front. Never throws because of what
    /// the bytes are.</summary>
    /// <returns>How many bytes the session's part has.</returns>
    int Unwrap(Span<byte> bytes);

    /// <summary>Writes what goes to the socket: what <see cref="HasOutput"/> speaks of, then the session's bytes as one message.</summary>
    /// <param name="vectors">The session's bytes, <see cref="MaxMessage"/> at most; there may be none.</param>
    /// <param name="output">Room for them and <see cref="Overhead"/>.</param>
    /// <returns>Bytes written.</returns>
    int Wrap(ReadOnlySpan<IoVector> vectors, Span<byte> output);

    /// <summary>The link's socket has been closed; called once.</summary>
    void Closed(string reason);
}
