namespace Telepresence.Rig;

/// <summary>Where the servers of the rig listen.</summary>
internal static class Ports
{
    /// <summary>Takes or gives bulk data, see <see cref="Server.BulkServer"/>.</summary>
    internal const int Bulk = 7001;

    /// <summary>Sends back what it gets.</summary>
    internal const int Echo = 7002;

    /// <summary>HTTP, served by nginx.</summary>
    internal const int Http = 7003;

    /// <summary>SSH, for the peers that need it.</summary>
    internal const int Ssh = 7022;

    /// <summary>DNS over UDP; the standard port, because resolv.conf cannot name another.</summary>
    internal const int Dns = 53;
}
