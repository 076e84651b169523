using System.Globalization;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>One directory or file of the node that appears in a container.</summary>
/// <param name="Source">In the node's mount namespace.</param>
internal sealed record ContainerMount(string Source, string Target, bool ReadOnly, bool IsDirectory);

/// <summary>All that a container's start depends on, decided.</summary>
/// <param name="Directory">The run's own directory in the node's mount namespace: fstab, upper, work and root.</param>
internal sealed record ContainerPlan(
    string Directory,
    Image Image,
    LayeredRoot Root,
    IReadOnlyList<ContainerMount> Mounts,
    ProgramPlan Program,
    bool ReadOnlyRoot,
    bool Privileged,
    string DevicesDirectory);

/// <summary>Writes the shell that builds a container's root and becomes its program.</summary>
/// <remarks>
/// It runs as PID 1 of the container's PID namespace, in a mount namespace copied from the node's. All mounts but the root
/// are one mount(8) reading an fstab. The root is then moved over the old one, what runc does with --no-pivot, and
/// become.pl does the rest.
/// </remarks>
internal static class ContainerScript
{
    private static readonly string[] Masked = ["kcore", "keys", "timer_list", "sched_debug", "latency_stats", "timer_stats"];
    private static readonly string[] ReadOnlyKernel = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

    internal static string Fstab(ContainerPlan plan)
    {
        string root = plan.Directory + "/root";
        var lines = new StringBuilder();
        Line("proc", "/proc", "proc", "nosuid,nodev,noexec");
        Line("sysfs", "/sys", "sysfs", plan.Privileged ? "nosuid,nodev,noexec" : "nosuid,nodev,noexec,ro");
        Line(plan.DevicesDirectory, "/dev", "none", "bind");
        Line("devpts", "/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
        Line("shm", "/dev/shm", "tmpfs", "nosuid,nodev,noexec,mode=1777,size=65536k");
        Line("mqueue", "/dev/mqueue", "mqueue", "nosuid,nodev,noexec");
        if (!plan.Privileged)
        {
            foreach (string name in ReadOnlyKernel.Where(name => Path.Exists("/proc/" + name)))
                Line($"{root}/proc/{name}", "/proc/" + name, "none", "bind,ro");
            foreach (string name in Masked.Where(name => Path.Exists("/proc/" + name)))
                Line($"{plan.DevicesDirectory}/null", "/proc/" + name, "none", "bind");
        }

        foreach (ContainerMount mount in plan.Mounts)
            Line(mount.Source, plan.Root.Resolve(mount.Target).Path, "none", mount.ReadOnly ? "bind,ro" : "bind");
        return lines.ToString();

        void Line(string source, string target, string type, string options) =>
            lines.Append(CultureInfo.InvariantCulture, $"{Escape(source)} {Escape(root + target)} {type} {options} 0 0\n");
    }

    internal static string Shell(ContainerPlan plan, string becomePath)
    {
        string root = plan.Directory + "/root";
        var directories = new List<string> { "/proc", "/sys", "/dev", plan.Program.WorkingDirectory };
        var files = new List<string>();
        foreach (ContainerMount mount in plan.Mounts)
        {
            string target = plan.Root.Resolve(mount.Target).Path;
            directories.Add(mount.IsDirectory ? target : Path.GetDirectoryName(target)!);
            if (!mount.IsDirectory)
                files.Add(target);
        }

        string layers = string.Join(':', plan.Image.Layers);
        string directory = Commands.Quote(plan.Directory);
        var script = new StringBuilder();
        script.Append(CultureInfo.InvariantCulture, $"""
            set -e
            ulimit -c 0
            umask 022
            cd {directory}
            mount -t overlay overlay -o lowerdir={Commands.Quote(layers)},upperdir=upper,workdir=work root
            cd root
            mkdir -p {Commands.Quote(directories.Distinct().Select(name => "." + plan.Root.Resolve(name).Path))}

            """);
        foreach (string file in files)
            script.Append(CultureInfo.InvariantCulture, $"[ -e {Commands.Quote("." + file)} ] || : >{Commands.Quote("." + file)}\n");
        script.Append(CultureInfo.InvariantCulture, $"cd /\nmount -a -T {directory}/fstab\n");
        if (plan.ReadOnlyRoot)
            script.Append(CultureInfo.InvariantCulture, $"mount -o remount,ro {Commands.Quote(root)}\n");
        // The process's own root is still the old one then; the new one is what lies on top of it, at "/..".
        script.Append(CultureInfo.InvariantCulture, $"""
            mount --move {Commands.Quote(root)} /
            exec perl {Commands.Quote(becomePath)} {Commands.Quote(plan.Directory + "/program")}

            """);
        return script.ToString();
    }

    private static string Escape(string path) => path
        .Replace("\\", "\\134", StringComparison.Ordinal).Replace(" ", "\\040", StringComparison.Ordinal)
        .Replace("\t", "\\011", StringComparison.Ordinal).Replace("#", "\\043", StringComparison.Ordinal);
}
