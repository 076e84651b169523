using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>Whether a volume that was mounted is there as a whole: an empty directory in its place would be a lie.</summary>
internal static class VolumeCheck
{
    private const int MostFiles = 1000;
    private const string WayOut = "or go on without volumes: --mount false";

    // Kubernetes itself puts something into these, at least the link ..data.
    private static readonly string[] NeverEmpty = ["configMap", "secret", "projected", "downwardAPI"];

    /// <summary>Whether Kubernetes itself makes the files of a volume of this kind: few, and all at once.</summary>
    internal static bool IsMadeByKubernetes(string kind) => NeverEmpty.Contains(kind);

    /// <summary>Looks at a volume; may block for as long as the file system does.</summary>
    /// <param name="mount">What it should be.</param>
    /// <param name="local">Where it is here.</param>
    /// <returns>A sentence about what is missing and what to do, or null.</returns>
    internal static string? Look(ContainerMount mount, string local)
    {
        string what = $"The pod's {mount.Kind} volume \"{mount.Volume}\" at {mount.Path}";
        try
        {
            int error = FileStatus.Read(local, follow: true, out FileStatus status);
            if (error != 0)
                return $"{what} cannot be reached: {Libc.Describe(error)}; see whether the pod has it with kubectl describe pod, {WayOut}.";
            if (status.Kind == FileKind.Regular)
                return LookAtFile(what, local);
            if (status.Kind != FileKind.Directory)
                return null;
            string[] names = [.. Directory.EnumerateFileSystemEntries(local)];
            if (!IsMadeByKubernetes(mount.Kind))
                return null;
            return names.Length == 0
                ? $"{what} is empty here although a {mount.Kind} never is; start again, {WayOut}."
                : names.Take(MostFiles).Select(name => LookAtFile(what, name)).FirstOrDefault(static problem => problem is not null);
        }
        catch (UnauthorizedAccessException)
        {
            return $"{what} may not be listed by the proxy, which runs as an ordinary user; set fsGroup in the pod's securityContext, {WayOut}.";
        }
        catch (IOException fault)
        {
            return $"{what} cannot be listed: {fault.Message}; start again, {WayOut}.";
        }
    }

    private static string? LookAtFile(string what, string path)
    {
        string name = Path.GetFileName(path);
        int error = FileStatus.Read(path, follow: true, out FileStatus status);
        if (error != 0)
            return $"{what} is not whole: {name} cannot be reached ({Libc.Describe(error)}); start again, {WayOut}.";
        if (status.Kind != FileKind.Regular)
            return null;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            _ = file.ReadByte();
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return $"{what} is not whole: {name} has mode {Convert.ToString(status.Mode, 8).PadLeft(4, '0')} and may not be read by the proxy, "
                + $"which runs as an ordinary user; give the volume a defaultMode of 0444 or set fsGroup in the pod's securityContext, {WayOut}.";
        }
        catch (IOException fault)
        {
            return $"{what} is not whole: {name} cannot be read ({fault.Message}); start again, {WayOut}.";
        }
    }
}
