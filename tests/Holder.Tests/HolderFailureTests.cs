using Telepresence.Cli;
using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Holder.Tests;

public sealed class HolderFailureTests
{
    private static readonly KernelLimits Free = new(15_000, 15_000, AppArmorRestricts: false, DebianForbids: false, Filtered: false);

    [Fact]
    public void A_kernel_without_user_namespaces_is_named_with_the_setting_that_allows_them() =>
        AssertSays(Free with { MaxUserNamespaces = 0 }, "unshare: unshare failed: No space left on device", "sudo sysctl user.max_user_namespaces=15000");

    [Fact]
    public void AppArmor_is_named_with_the_setting_that_allows_them() =>
        AssertSays(Free with { AppArmorRestricts = true }, "unshare: write failed /proc/self/uid_map: Operation not permitted", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");

    [Fact]
    public void Debians_old_setting_is_named() =>
        AssertSays(Free with { DebianForbids = true }, "unshare: unshare failed: Operation not permitted", "sudo sysctl kernel.unprivileged_userns_clone=1");

    [Fact]
    public void A_filter_around_the_process_is_named_when_no_setting_forbids() =>
        AssertSays(Free with { Filtered = true }, "unshare: unshare failed: Operation not permitted", "a seccomp profile that lets unshare through");

    [Fact]
    public void A_setting_that_nobody_knows_still_gives_what_the_tool_said() =>
        AssertSays(Free, "unshare: unshare failed: Function not implemented", "Function not implemented");

    [Fact]
    public void A_tool_that_is_too_old_is_named() =>
        AssertSays(Free, "unshare: unrecognized option '--map-current-user'", "util-linux 2.36 or later is needed");

    [Theory]
    [InlineData(2, "There is no /dev/net/tun")]
    [InlineData(13, "/dev/net/tun may not be opened by you")]
    public void A_missing_TUN_is_told_from_one_that_may_not_be_used(int errno, string beginning)
    {
        UserError error = HolderFailure.ExplainNetwork(new IOException("/dev/net/tun: whatever", errno), Free);
        Assert.Equal(ExitCode.TunMissing, error.ExitCode);
        Assert.StartsWith(beginning, error.Message, StringComparison.Ordinal);
        Assert.EndsWith("use --method preload.", error.Message, StringComparison.Ordinal);
    }

    private static void AssertSays(KernelLimits limits, string printed, string wanted)
    {
        UserError error = HolderFailure.Explain(printed, rootless: true, limits);
        Assert.Equal(ExitCode.NoNamespace, error.ExitCode);
        Assert.Contains(wanted, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
