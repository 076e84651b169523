using Telepresence.Cli.Daemon;
using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>What kinds of namespaces this process may make here.</summary>
/// <param name="Network">Network and mount namespace, and a TUN: the method <c>netns</c>.</param>
/// <param name="Mounts">At least a mount namespace: volumes at their real paths.</param>
/// <param name="Reason">Why not the better one: a sentence that says what to do, or null.</param>
internal sealed record HolderCapabilities(bool Network, bool Mounts, string? Reason)
{
    /// <summary>Tries it.</summary>
    internal static async Task<HolderCapabilities> ProbeAsync(CancellationToken cancellation)
    {
        UserError? network = CheckTools(["unshare", "setpriv", "ip"]) ?? CheckTun() ?? await TryAsync(network: true, cancellation);
        if (network is null)
            return new HolderCapabilities(true, true, null);
        UserError? mounts = CheckTools(["unshare", "setpriv"]) ?? await TryAsync(network: false, cancellation);
        return new HolderCapabilities(false, mounts is null, network.Message);
    }

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

    private static async Task<UserError?> TryAsync(bool network, CancellationToken cancellation)
    {
        bool root = Posix.geteuid() == 0;
        UserError? error = await TryAsync(network, rootless: !root, cancellation);
        return error is null || !root || await TryAsync(network, rootless: true, cancellation) is null ? null : error;
    }

    // A link brought up shows that the namespaces are not only there, but that there are rights in them.
    private static async Task<UserError?> TryAsync(bool network, bool rootless, CancellationToken cancellation)
    {
        string[] command = network ? ["ip", "link", "set", "dev", "lo", "up"] : ["mount", "-t", "tmpfs", "telepresence", "/tmp"];
        try
        {
            ToolResult result = await Tool.TryRunAsync("unshare", [.. HolderStart.Flags(rootless, network), "--", .. command], null, cancellation);
            return result.ExitCode == 0 ? null : HolderFailure.Explain(result.Error, rootless, KernelLimits.Read());
        }
        catch (IOException fault)
        {
            return new UserError(ExitCode.NoNamespace, fault.Message, fault);
        }
    }
}
