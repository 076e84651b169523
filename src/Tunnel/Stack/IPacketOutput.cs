using Telepresence.Tunnel.Buffers;

namespace Telepresence.Tunnel.Stack;

/// <summary>Where the stack's packets go: the TUN device, or a decorator that traces, drops or reorders.</summary>
public interface IPacketOutput
{
    /// <summary>Takes one frame: a 10-byte virtio_net_hdr and an IP packet, in pieces.</summary>
    /// <param name="vectors">Valid during the call only.</param>
    /// <returns>False when the device's queue is full; nothing was taken then, and the owner calls <see cref="NetworkStack.OutputReady"/> later.</returns>
    bool Send(ReadOnlySpan<IoVector> vectors);
}
