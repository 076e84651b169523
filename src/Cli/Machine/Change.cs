using System.Text.Json.Serialization;

namespace Telepresence.Cli.Machine;

/// <summary>
/// One change to the machine or the cluster, together with its undo.
/// </summary>
/// <remarks>
/// A change is a record that says everything its undo needs, so that another process can take it back from the journal alone after this
/// one was killed. <see cref="UndoAsync"/> is idempotent and succeeds when there is nothing to take back. The list of kinds is here,
/// in one place, because the journal of an older version must stay readable.
/// </remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind", UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FailSerialization)]
[JsonDerivedType(typeof(LinkChange), "link")]
[JsonDerivedType(typeof(RoutesChange), "routes")]
[JsonDerivedType(typeof(RuleChange), "rule")]
[JsonDerivedType(typeof(Cluster.DeploymentChange), "deployment")]
[JsonDerivedType(typeof(Resolver.ResolvedChange), "resolved")]
[JsonDerivedType(typeof(Resolver.FileEditChange), "file-edit")]
[JsonDerivedType(typeof(Launch.SessionDirectoryChange), "session-directory")]
[JsonDerivedType(typeof(Cluster.Workloads.HoldChange), "hold")]
[JsonDerivedType(typeof(Cluster.Workloads.ServiceChange), "service")]
[JsonDerivedType(typeof(Launch.Volumes.VolumeRootChange), "volume-root")]
[JsonDerivedType(typeof(Launch.Volumes.VolumeCopyChange), "volume-copy")]
[JsonDerivedType(typeof(Launch.Volumes.MountPointsChange), "mount-points")]
public abstract record Change
{
    /// <summary>What this does, as a person would say it: <c>rule 5500 for IPv4</c>.</summary>
    [JsonIgnore]
    public abstract string Description { get; }

    /// <summary>Makes the change.</summary>
    public abstract Task ApplyAsync(CancellationToken cancellation);

    /// <summary>Takes the change back, whether it was made wholly, partly or not at all.</summary>
    public abstract Task UndoAsync(CancellationToken cancellation);
}
