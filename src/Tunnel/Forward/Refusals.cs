using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Forward;

/// <summary>How the far side's refusal is shown to the local program.</summary>
internal static class Refusals
{
    /// <summary>The answer of the stack that makes the local kernel report the errno that the far side's kernel reported.</summary>
    internal static RefusalReason ToLocal(RefuseCode code) => code switch
    {
        RefuseCode.HostUnreachable => RefusalReason.HostUnreachable,
        RefuseCode.NetUnreachable => RefusalReason.NetUnreachable,
        RefuseCode.TimedOut => RefusalReason.Timeout,
        RefuseCode.Prohibited or RefuseCode.NoResources => RefusalReason.AdminProhibited,
        _ => RefusalReason.Refused,
    };
}
