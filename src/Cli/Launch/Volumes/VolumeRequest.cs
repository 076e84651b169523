using System.Text.Json.Serialization;

using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>What the session asks the process that mounts: the holder of the tree's namespaces, or itself.</summary>
internal sealed record VolumeRequest
{
    /// <summary>Where the pod's root directory is to be seen; a directory that is there, or a link to the copy.</summary>
    public required string Root { get; init; }

    /// <summary>Whether sshfs is to be mounted at <see cref="Root"/>; otherwise a copy of the volumes is there already.</summary>
    public bool Sshfs { get; init; }

    /// <summary>What the mount at <see cref="Root"/> says to be a mount of; no other session's says the same.</summary>
    public string Source { get; init; } = "";

    /// <summary>Whether the volumes may be written.</summary>
    public bool Writable { get; init; }

    /// <summary>Whether they are put at their real paths as well, which takes a mount namespace of one's own.</summary>
    public bool RealPaths { get; init; }

    /// <summary>An empty directory that may be mounted on while new parents are made.</summary>
    public string Scratch { get; init; } = "";

    /// <summary>The container's volumes.</summary>
    public IReadOnlyList<ContainerMount> Mounts { get; init; } = [];

    /// <summary>Whom the files are shown to belong to.</summary>
    public uint Uid { get; init; }

    /// <summary>Their group.</summary>
    public uint Gid { get; init; }

    /// <summary>Directories that are never covered, nor anything above them: home, working directory and the like. Links followed.</summary>
    public IReadOnlyList<string> Kept { get; init; } = [];

    /// <summary>The user's home directory: nothing that exists in it is covered.</summary>
    public string Home { get; init; } = "";

    /// <summary>Directories whose programs run by their bare names, as PATH has them and with links followed: nothing comes into them.</summary>
    public IReadOnlyList<string> Programs { get; init; } = [];

    /// <summary>Directories in which mount points are made for real; the session has noted in the journal what can be made there.</summary>
    public IReadOnlyList<string> Grounds { get; init; } = [];
}

/// <summary>What became of a <see cref="VolumeRequest"/>.</summary>
internal sealed record VolumeReport
{
    /// <summary>Why nothing is mounted, as part of a sentence; null when it is.</summary>
    public string? Failure { get; init; }

    /// <summary>One for each volume, in the request's order.</summary>
    public IReadOnlyList<PlacedVolume> Volumes { get; init; } = [];
}

/// <summary>Where one volume is.</summary>
internal sealed record PlacedVolume
{
    /// <summary>Its path in the container.</summary>
    public required string Path { get; init; }

    /// <summary>Whether it is at this path here as well.</summary>
    public bool AtRealPath { get; init; }

    /// <summary>Why it is not, as a sentence; null when it is, or was not asked for.</summary>
    public string? Note { get; init; }

    /// <summary>What is missing in it, as a sentence; null when it is whole.</summary>
    public string? Problem { get; init; }
}

/// <summary>Mounts volumes: the holder of the tree's namespaces does it for the session, which speaks to it through this.</summary>
internal interface IVolumeHost
{
    /// <summary>Mounts, once.</summary>
    /// <param name="request">What.</param>
    /// <param name="files">The file server's stream, for sshfs; stays the caller's.</param>
    /// <param name="cancellation">Gives up.</param>
    Task<VolumeReport> ApplyAsync(VolumeRequest request, Telepresence.Tunnel.Io.FileDescriptor? files, CancellationToken cancellation);

    /// <summary>Mounts the same anew, because the stream behind it has ended.</summary>
    Task<VolumeReport> RemountAsync(Telepresence.Tunnel.Io.FileDescriptor files, CancellationToken cancellation);

    /// <summary>Takes the mounts away.</summary>
    Task UnmountAsync(CancellationToken cancellation);
}

/// <summary>Serialisation without reflection, for the holder's channel.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VolumeRequest))]
[JsonSerializable(typeof(VolumeReport))]
internal sealed partial class VolumeJson : JsonSerializerContext;
