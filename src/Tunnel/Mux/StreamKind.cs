namespace Telepresence.Tunnel.Mux;

/// <summary>What a stream carries; the one byte that tells the far side what to do with an OPEN.</summary>
public enum StreamKind : byte
{
    /// <summary>A TCP connection to the target address.</summary>
    Tcp = 1,

    /// <summary>UDP datagrams to and from the target address.</summary>
    Udp = 2,

    /// <summary>DNS messages, one per datagram, unread by the far side.</summary>
    Dns = 3,

    /// <summary>A listening port on the far side; stays open for as long as the listener does. Carries what <c>ListenTarget</c> says.</summary>
    Listen = 4,

    /// <summary>A connection that the far side of a <see cref="Listen"/> stream accepted.</summary>
    Accepted = 5,

    /// <summary>The file server's byte stream.</summary>
    Files = 6,

    /// <summary>ICMP echo requests and replies, one per datagram.</summary>
    Echo = 7,

    /// <summary>The far side's report about itself.</summary>
    Info = 8,

    /// <summary>One path of the far side's file system as a tar archive, if it is not what the asker has.</summary>
    Archive = 9,
}

/// <summary>Properties of the stream kinds.</summary>
public static class StreamKindExtensions
{
    /// <summary>Whether the stream keeps datagram boundaries (<see cref="MuxStream.WriteDatagram"/>) instead of carrying bytes.</summary>
    public static bool IsDatagram(this StreamKind kind) => kind is StreamKind.Udp or StreamKind.Dns or StreamKind.Echo;
}
