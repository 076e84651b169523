using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Forward;

/// <summary>A question on its way.</summary>
/// <param name="stream">Who asks.</param>
/// <param name="message">The message, owned; its id is replaced for each attempt.</param>
internal sealed class DnsQuery(MuxStream stream, byte[] message)
{
    internal MuxStream Stream => stream;

    internal byte[] Message => message;

    /// <summary>The id that the answer must carry back.</summary>
    internal ushort AskersId { get; } = DnsHeader.Id(message);

    /// <summary>The id of the present attempt.</summary>
    internal ushort Id { get; set; }

    /// <summary>How many attempts have failed.</summary>
    internal int Attempt { get; set; }

    internal long Deadline { get; set; }

    internal LinkedListNode<DnsQuery>? Node { get; set; }

    /// <summary>Where the present attempt was sent; null when that failed.</summary>
    internal DnsSocket? Socket { get; private set; }

    /// <summary>The present attempt's second try, over TCP.</summary>
    internal DnsTcpExchange? Exchange { get; set; }

    /// <summary>A truncated or failing answer, for want of a better one.</summary>
    internal byte[]? Best { get; set; }

    /// <summary>Moves the query to another socket; one that is no longer in use is closed with its last query.</summary>
    internal void TakeSocket(DnsSocket? socket)
    {
        Socket?.Release();
        Socket = socket;
        socket?.Retain();
    }
}
