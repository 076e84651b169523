using Telepresence.Tunnel.Io;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>A test that needs root and /dev/net/tun, because it makes a network namespace and a TUN device in it.</summary>
internal static class KernelAccess
{
    public static string? Missing { get; } =
        Libc.geteuid() != 0 ? "needs root to make a network namespace" : !File.Exists("/dev/net/tun") ? "needs /dev/net/tun" : null;
}

[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelFactAttribute : FactAttribute
{
    public KernelFactAttribute() => Skip = KernelAccess.Missing;
}

[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelTheoryAttribute : TheoryAttribute
{
    public KernelTheoryAttribute() => Skip = KernelAccess.Missing;
}
