using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Forward;

/// <summary>A new link.</summary>
/// <param name="Socket">A connected, non-blocking stream socket; who gets the link owns it.</param>
/// <param name="Framing">What stands around the session's bytes on it; null: nothing does.</param>
public sealed record Link(FileDescriptor Socket, ILinkFraming? Framing = null);
