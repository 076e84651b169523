namespace Telepresence.Cli.Launch.Holder;

/// <summary>What this kernel and the sandbox around this process allow.</summary>
/// <param name="MaxUserNamespaces">The sysctl user.max_user_namespaces.</param>
/// <param name="MaxNetNamespaces">The sysctl user.max_net_namespaces.</param>
/// <param name="AppArmorRestricts">The sysctl kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu 23.10 and later).</param>
/// <param name="DebianForbids">The sysctl kernel.unprivileged_userns_clone is 0 (older Debian).</param>
/// <param name="Filtered">This process runs under a seccomp filter, as in most containers.</param>
internal sealed record KernelLimits(long MaxUserNamespaces, long MaxNetNamespaces, bool AppArmorRestricts, bool DebianForbids, bool Filtered)
{
    /// <summary>Reads them.</summary>
    internal static KernelLimits Read() => new(
        Number("/proc/sys/user/max_user_namespaces") ?? long.MaxValue,
        Number("/proc/sys/user/max_net_namespaces") ?? long.MaxValue,
        Number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") is 1,
        Number("/proc/sys/kernel/unprivileged_userns_clone") is 0,
        Text("/proc/self/status").Split('\n').Any(static line => line.StartsWith("Seccomp:", StringComparison.Ordinal) && line.TrimEnd().EndsWith('2')));

    private static long? Number(string path) => long.TryParse(Text(path).Trim(), out long number) ? number : null;

    private static string Text(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : "";
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

/// <summary>Why there is no namespace, in a sentence that says what to do.</summary>
internal static class HolderFailure
{
    /// <summary>unshare(1) has failed.</summary>
    /// <param name="error">What it printed.</param>
    /// <param name="rootless">Whether a user namespace was asked for.</param>
    /// <param name="limits">What the kernel allows.</param>
    internal static UserError Explain(string error, bool rootless, KernelLimits limits)
    {
        string printed = error.Trim().Split('\n')[0];
        if (printed.Contains("unrecognized option", StringComparison.Ordinal) || printed.Contains("invalid option", StringComparison.Ordinal))
            return new UserError(ExitCode.NoNamespace, $"This machine's unshare is too old or too small ({printed}); util-linux 2.36 or later is needed, or --method preload.");
        if (!rootless)
            return new UserError(ExitCode.NoNamespace, $"No namespace may be made here although this is root ({printed}); a container needs the capabilities SYS_ADMIN and NET_ADMIN, or use --method preload.");
        return new UserError(ExitCode.NoNamespace, $"{Reason(printed, limits)}, use sudo, or use --method preload.");
    }

    /// <summary>The namespace is there, but its network could not be made.</summary>
    internal static UserError ExplainNetwork(IOException fault, KernelLimits limits)
    {
        const int noEntry = 2, noDevice = 19, noDeviceOrAddress = 6, notPermitted = 1, denied = 13;
        bool tun = fault.Message.StartsWith("/dev/net/tun", StringComparison.Ordinal);
        return fault.HResult switch
        {
            noEntry or noDevice or noDeviceOrAddress when tun => new UserError(ExitCode.TunMissing, "There is no /dev/net/tun; load the kernel module tun (sudo modprobe tun), start the container with --device /dev/net/tun, or use --method preload.", fault),
            notPermitted or denied when tun => new UserError(ExitCode.TunMissing, "/dev/net/tun may not be opened by you; make it accessible (sudo chmod 0666 /dev/net/tun, as most distributions have it), use sudo, or use --method preload.", fault),
            notPermitted or denied when limits.AppArmorRestricts => new UserError(ExitCode.NoNamespace, $"{Reason(fault.Message, limits)}, use sudo, or use --method preload.", fault),
            _ => new UserError(ExitCode.LocalNetwork, $"The network of the namespace could not be made: {fault.Message.TrimEnd('.')}.", fault),
        };
    }

    private static string Reason(string printed, KernelLimits limits) => limits switch
    {
        { MaxUserNamespaces: 0 } => "The kernel allows no user namespaces (user.max_user_namespaces is 0); allow them with sudo sysctl user.max_user_namespaces=15000",
        { DebianForbids: true } => "The kernel allows no user namespaces to ordinary users; allow them with sudo sysctl kernel.unprivileged_userns_clone=1",
        { AppArmorRestricts: true } => "AppArmor lets ordinary users do nothing in a user namespace; allow it with sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        { MaxNetNamespaces: 0 } => "The kernel allows no network namespaces (user.max_net_namespaces is 0); allow them with sudo sysctl user.max_net_namespaces=15000",
        { Filtered: true } => $"The sandbox around this process allows no namespaces ({printed}); a container needs a seccomp profile that lets unshare through",
        _ => $"No user namespace could be made ({printed}); allow user namespaces on this machine",
    };
}
