using System.Net.Sockets;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Api.Streaming;

/// <summary>Dials the pod for a port-forward and words the failure as a kubelet does.</summary>
internal static class PortForwardDialer
{
    public static async Task<(Socket? Socket, string? Error)> DialAsync(INode node, PodKey pod, int port, CancellationToken cancel)
    {
        try
        {
            var socket = await node.DialPodAsync(pod, port, cancel).ConfigureAwait(false);
            if (socket.ProtocolType == ProtocolType.Tcp) socket.NoDelay = true;
            return (socket, null);
        }
        catch (SocketException e)
        {
            var why = e.SocketErrorCode == SocketError.ConnectionRefused ? "connection refused" : e.Message;
            return (null, $"an error occurred forwarding {port} -> {port}: error forwarding port {port} to pod {pod.Uid}, uid : failed to execute portforward in network namespace: "
                + $"failed to connect to localhost:{port} inside namespace \"{pod.Uid}\", IPv4: dial tcp4 127.0.0.1:{port}: connect: {why} IPv6 dial tcp6: address localhost: no suitable address found ");
        }
        catch (NodeException e)
        {
            return (null, $"error forwarding port {port} to pod {pod.Uid}, uid : {e.Message}");
        }
    }
}
