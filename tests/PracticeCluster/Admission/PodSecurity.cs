using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>The Pod Security Standards (baseline, restricted), with the messages of the real admission plugin.</summary>
internal static class PodSecurity
{
    private static readonly HashSet<string> BaselineCapabilities = new(StringComparer.Ordinal)
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
        "SETPCAP", "SETUID", "SYS_CHROOT",
    };

    private static readonly HashSet<string> SafeSysctls = new(StringComparer.Ordinal)
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    };

    private static readonly HashSet<string> RestrictedVolumes = new(StringComparer.Ordinal)
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
    };

    /// <summary>The refusal's text for a pod spec at a level ("privileged" refuses nothing), or null.</summary>
    public static string? Violation(string level, string version, JsonObject? spec)
    {
        if (level is not ("baseline" or "restricted") || spec is null) return null;
        var found = Baseline(spec).ToList();
        if (level == "restricted") found.AddRange(Restricted(spec));
        return found.Count == 0 ? null : $"violates PodSecurity \"{level}:{version}\": {string.Join(", ", found)}";
    }

    /// <summary>Level and version that a namespace's labels ask for in a mode: enforce, warn or audit.</summary>
    public static (string Level, string Version) LevelOf(JsonObject? namespaceObject, string mode)
    {
        var labels = namespaceObject.Map("metadata", "labels");
        return (labels.GetValueOrDefault($"pod-security.kubernetes.io/{mode}", "privileged"),
            labels.GetValueOrDefault($"pod-security.kubernetes.io/{mode}-version", "latest"));
    }

    private static IEnumerable<string> Baseline(JsonObject spec)
    {
        var hosts = new[] { "hostNetwork", "hostPID", "hostIPC" }.Where(h => spec.Flag(h) == true).ToList();
        if (hosts.Count > 0) yield return $"host namespaces ({string.Join(", ", hosts.Select(h => $"{h}=true"))})";
        if (Bad(spec, c => c.Flag("securityContext", "privileged") == true) is { Count: > 0 } privileged)
            yield return $"privileged ({Containers(privileged)} must not set securityContext.privileged=true)";
        if (Bad(spec, c => c.Strings("securityContext", "capabilities", "add").Any(a => !BaselineCapabilities.Contains(a))) is { Count: > 0 } capable)
        {
            var added = All(spec).SelectMany(c => c.Strings("securityContext", "capabilities", "add")).Where(a => !BaselineCapabilities.Contains(a))
                .Distinct().Order(StringComparer.Ordinal);
            yield return $"non-default capabilities ({Containers(capable)} must not include {Quoted(added)} in securityContext.capabilities.add)";
        }
        var paths = spec.Each("volumes").Where(v => v["hostPath"] is not null).Select(v => v.Str("name") ?? "").ToList();
        if (paths.Count > 0) yield return $"hostPath volumes ({(paths.Count == 1 ? "volume" : "volumes")} {Quoted(paths)})";
        if (Bad(spec, c => c.Each("ports").Any(p => p.Num("hostPort") is > 0)) is { Count: > 0 } ports)
        {
            var numbers = All(spec).SelectMany(c => c.Each("ports")).Select(p => p.Num("hostPort")).Where(p => p is > 0).Distinct().ToList();
            yield return $"hostPort ({Containers(ports)} {(ports.Count == 1 ? "uses" : "use")} hostPort{(numbers.Count == 1 ? "" : "s")} {string.Join(", ", numbers)})";
        }
        if (Bad(spec, c => c.Str("securityContext", "procMount") is not (null or "Default")) is { Count: > 0 } proc)
            yield return $"procMount ({Containers(proc)} must not set securityContext.procMount to \"Unmasked\")";
        if (Unconfined(spec, "seccompProfile") is { } seccomp) yield return $"seccompProfile ({seccomp} must not set securityContext.seccompProfile.type to \"Unconfined\")";
        if (Unconfined(spec, "appArmorProfile") is { } armor) yield return $"forbidden AppArmor profile ({armor} must not set AppArmor profile type to \"Unconfined\")";
        var sysctls = spec.Each("securityContext", "sysctls").Select(s => s.Str("name") ?? "").Where(s => !SafeSysctls.Contains(s)).ToList();
        if (sysctls.Count > 0) yield return $"forbidden sysctls ({string.Join(", ", sysctls)})";
    }

    private static IEnumerable<string> Restricted(JsonObject spec)
    {
        if (Bad(spec, c => c.Flag("securityContext", "allowPrivilegeEscalation") != false) is { Count: > 0 } escalating)
            yield return $"allowPrivilegeEscalation != false ({Containers(escalating)} must set securityContext.allowPrivilegeEscalation=false)";

        var keeping = Bad(spec, c => !c.Strings("securityContext", "capabilities", "drop").Contains("ALL"));
        var adding = Bad(spec, c => c.Strings("securityContext", "capabilities", "add").Any(a => a != "NET_BIND_SERVICE"));
        if (keeping.Count + adding.Count > 0)
        {
            var parts = new List<string>();
            if (keeping.Count > 0) parts.Add($"{Containers(keeping)} must set securityContext.capabilities.drop=[\"ALL\"]");
            if (adding.Count > 0)
            {
                var names = All(spec).SelectMany(c => c.Strings("securityContext", "capabilities", "add")).Where(a => a != "NET_BIND_SERVICE").Distinct().Order(StringComparer.Ordinal);
                parts.Add($"{Containers(adding)} must not include {Quoted(names)} in securityContext.capabilities.add");
            }
            yield return $"unrestricted capabilities ({string.Join("; ", parts)})";
        }

        var volumes = spec.Each("volumes").Where(v => v.Any(p => p.Key != "name" && !RestrictedVolumes.Contains(p.Key))).ToList();
        if (volumes.Count > 0)
        {
            var types = volumes.SelectMany(v => v.Select(p => p.Key).Where(k => k != "name" && !RestrictedVolumes.Contains(k))).Distinct().Order(StringComparer.Ordinal).ToList();
            yield return $"restricted volume types ({(volumes.Count == 1 ? "volume" : "volumes")} {Quoted(volumes.Select(v => v.Str("name") ?? ""))} "
                + $"{(volumes.Count == 1 ? "uses" : "use")} restricted volume type{(types.Count == 1 ? "" : "s")} {Quoted(types)})";
        }

        var podNonRoot = spec.Flag("securityContext", "runAsNonRoot");
        var rootly = Bad(spec, c => c.Flag("securityContext", "runAsNonRoot") is var own && (own == false || (own is null && podNonRoot != true)));
        var explicitly = Bad(spec, c => c.Flag("securityContext", "runAsNonRoot") == false);
        if (podNonRoot == false && rootly.Count > 0) yield return "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)";
        else if (explicitly.Count > 0) yield return $"runAsNonRoot != true ({Containers(explicitly)} must not set securityContext.runAsNonRoot=false)";
        else if (rootly.Count > 0) yield return $"runAsNonRoot != true (pod or {Containers(rootly)} must set securityContext.runAsNonRoot=true)";

        var zero = Bad(spec, c => c.Num("securityContext", "runAsUser") == 0);
        if (spec.Num("securityContext", "runAsUser") == 0) yield return "runAsUser=0 (pod must not set runAsUser=0)";
        if (zero.Count > 0) yield return $"runAsUser=0 ({Containers(zero)} must not set runAsUser=0)";

        var podSeccomp = Confined(spec);
        var bare = Bad(spec, c => !Confined(c) && (c.At("securityContext", "seccompProfile") is not null || !podSeccomp));
        if (bare.Count > 0)
            yield return $"seccompProfile (pod or {Containers(bare)} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
    }

    private static string? Unconfined(JsonObject spec, string profile)
    {
        if (spec.Str("securityContext", profile, "type") == "Unconfined") return "pod";
        var bad = Bad(spec, c => c.Str("securityContext", profile, "type") == "Unconfined");
        return bad.Count == 0 ? null : Containers(bad);
    }

    private static bool Confined(JsonObject o) => o.Str("securityContext", "seccompProfile", "type") is "RuntimeDefault" or "Localhost";

    private static IEnumerable<JsonObject> All(JsonObject spec) =>
        spec.Each("initContainers").Concat(spec.Each("containers")).Concat(spec.Each("ephemeralContainers"));

    private static List<string> Bad(JsonObject spec, Func<JsonObject, bool> test) => [.. All(spec).Where(test).Select(c => c.Str("name") ?? "")];

    private static string Containers(List<string> names) => $"{(names.Count == 1 ? "container" : "containers")} {Quoted(names)}";

    private static string Quoted(IEnumerable<string> names) => string.Join(", ", names.Select(n => $"\"{n}\""));
}
