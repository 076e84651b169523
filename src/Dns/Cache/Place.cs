namespace Telepresence.Dns.Cache;

/// <summary>The two places that can be asked.</summary>
internal enum Place : byte
{
    Local,
    Cluster,
}
