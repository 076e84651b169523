using System.Globalization;

namespace Telepresence.Cli.Engine.Ports;

/// <summary>A port of the pod whose callers are served on this machine.</summary>
/// <param name="Local">Port on this machine's loopback.</param>
/// <param name="Remote">Port of the pod.</param>
/// <param name="IsUdp">UDP instead of TCP.</param>
/// <param name="PodLoopback">Open on the pod's loopback only, for the containers beside it (<c>--from-pod</c>).</param>
internal sealed record ExposedPort(ushort Local, ushort Remote, bool IsUdp = false, bool PodLoopback = false)
{
    /// <summary>Whether the Deployment declares it, and nobody asked for it.</summary>
    internal bool IsDeclared { get; init; }

    /// <summary>As the command line has it: <c>8080:80/udp</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Local}{(Local == Remote ? "" : $":{Remote}")}{(IsUdp ? "/udp" : "")}");
}
