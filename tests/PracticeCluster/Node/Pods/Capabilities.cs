using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Which capabilities a container loses.</summary>
internal static class Capabilities
{
    // In the order of their numbers.
    private static readonly string[] All =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    /// <summary>containerd's default set.</summary>
    private static readonly string[] Default =
    [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
        "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    ];

    /// <summary>Their numbers (capability.h); none when the container is privileged.</summary>
    internal static IReadOnlyList<int> Dropped(JsonNode container)
    {
        JsonNode? context = container.At("securityContext");
        if (context.Flag("privileged") == true)
            return [];
        var kept = new HashSet<string>(Default);
        foreach (string name in context.Texts("capabilities", "drop"))
        {
            if (name == "ALL")
                kept.Clear();
            else
                kept.Remove(Bare(name));
        }

        foreach (string name in context.Texts("capabilities", "add"))
            kept.UnionWith(name == "ALL" ? All : [Bare(name)]);
        return [.. Enumerable.Range(0, All.Length).Where(number => !kept.Contains(All[number]))];
    }

    private static string Bare(string name) => name.StartsWith("CAP_", StringComparison.OrdinalIgnoreCase) ? name[4..] : name;
}
