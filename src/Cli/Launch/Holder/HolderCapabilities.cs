namespace Telepresence.Cli.Launch.Holder;

/// <summary>What has to be here before namespaces are made: whether they can be is seen when they are.</summary>
internal static class HolderCapabilities
{
    /// <summary>Looks whether a TUN can be had at all, which the holder would notice only when it makes one.</summary>
    /// <exception cref="UserError">It cannot.</exception>
    internal static void CheckNetwork()
    {
        if ((CheckTools(["unshare", "setpriv", "ip"]) ?? CheckTun()) is { } error)
            throw error;
    }

    private static UserError? CheckTools(ReadOnlySpan<string> tools)
    {
        try
        {
            foreach (string tool in tools)
                HolderTools.Find(tool);
            return null;
        }
        catch (UserError error)
        {
            return error;
        }
    }

    private static UserError? CheckTun()
    {
        try
        {
            using FileStream tun = new("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            const int noEntry = 2, denied = 13;
            return HolderFailure.ExplainNetwork(new IOException("/dev/net/tun", fault is UnauthorizedAccessException ? denied : noEntry), KernelLimits.Read());
        }
    }
}
