namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>One entry of a container's <c>volumeMounts</c>, with what kind of volume stands behind it.</summary>
/// <param name="Path">Where it is in the container, absolute: <c>/etc/config</c>.</param>
/// <param name="Volume">Name of the volume in the pod.</param>
/// <param name="Kind">Key of the volume's source: <c>configMap</c>, <c>secret</c>, <c>projected</c>, <c>downwardAPI</c>, <c>emptyDir</c>, <c>persistentVolumeClaim</c>, …</param>
/// <param name="ReadOnly">Whether the container itself may only read it.</param>
/// <param name="SubPath">Part of the volume that is mounted, or null for all of it. Kubernetes does not update such mounts.</param>
internal sealed record ContainerMount(string Path, string Volume, string Kind, bool ReadOnly, string? SubPath);
