namespace Telepresence.Dns;

/// <summary>
/// Says who asked, so that the answer finds its way back. The resolver stores and returns it and looks only at
/// <see cref="IsTcp"/> and <see cref="MaxUdpSize"/>; the rest belongs to the caller, who therefore needs no table of its own:
/// for UDP put the peer's address into <see cref="Id"/> and its port and the socket's number into <see cref="Tag"/>; for TCP put a
/// connection number that is never used twice into <see cref="Id"/>.
/// </summary>
/// <param name="Id">Caller's own: an IPv6 or IPv4 address, or a connection number.</param>
/// <param name="Tag">Caller's own: for example port in the upper half, socket number in the lower half.</param>
/// <param name="IsTcp">The question came over TCP: the answer may have up to 65,535 bytes.</param>
/// <param name="MaxUdpSize">The largest UDP answer, in bytes, that the path to this client carries; an EDNS size in the question lowers
/// the limit further, its absence lowers it to 512.</param>
public readonly record struct DnsClientToken(UInt128 Id, uint Tag, bool IsTcp, ushort MaxUdpSize = 4096);
