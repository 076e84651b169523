using System.Net.Sockets;
using System.Runtime.InteropServices;

using Telepresence.Cli.Cluster;

namespace Telepresence.Rig.Load;

/// <summary>A port-forward and nothing else: the yardstick for a session that goes through one.</summary>
/// <param name="kubectl">Socket of a <c>kubectl proxy</c>.</param>
/// <param name="pod">NAMESPACE/POD.</param>
internal sealed partial class WebSocketDial(string kubectl, string pod)
{
    private const int F_SETFL = 4;

    private readonly List<PortForwardLink> _links = [];

    /// <summary>Opens one to a port of the pod.</summary>
    /// <exception cref="IOException">It was not possible.</exception>
    internal Socket Open(int port)
    {
        string[] names = pod.Split('/');
        KubeClient client = new(() => kubectl, "the practice cluster");
        try
        {
            PortForwardLink link = PortForwardLink.OpenAsync(client, names[0], names[1], port, CancellationToken.None).GetAwaiter().GetResult();
            lock (_links)
                _links.Add(link);

            // The link's descriptor lives as long as this does. The load generators wait in system calls.
            if (fcntl(link.Descriptor.Number, F_SETFL, 0) != 0)
                throw new IOException("The link's socket cannot be made a blocking one.");
            return new Socket(new SafeSocketHandle(link.Descriptor.Number, ownsHandle: false));
        }
        catch (KubeException refusal)
        {
            throw new IOException(refusal.Message, refusal);
        }
    }

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);
}
