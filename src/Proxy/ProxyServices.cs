using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;

namespace Telepresence.Proxy;

/// <summary>What streams may ask for, one object each; all sessions share them.</summary>
internal sealed record ProxyServices(
    EventLoop Loop,
    PortDialer Tcp,
    DatagramDialer Datagrams,
    DnsRelay Dns,
    PortListener Listener,
    InfoService Info,
    FilesHost Files,
    ArchiveService Archive);
