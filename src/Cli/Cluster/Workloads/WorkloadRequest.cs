using System.Security.Cryptography;

namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>Which of the ways to a pod.</summary>
internal enum WorkloadMode
{
    /// <summary><c>--new-deployment NAME</c>, or none of the three options.</summary>
    New,

    /// <summary><c>--deployment NAME[:CONTAINER]</c>.</summary>
    Existing,

    /// <summary><c>--swap-deployment NAME[:CONTAINER]</c>.</summary>
    Swap,
}

/// <summary>What the command line says about the pod.</summary>
internal sealed record WorkloadRequest
{
    /// <summary>Which way.</summary>
    internal WorkloadMode Mode { get; init; }

    /// <summary>The option's argument, word for word; null for a new Deployment with a name of its own.</summary>
    internal string? Name { get; init; }

    /// <summary>Image to run in a new or swapped Deployment.</summary>
    internal required string Image { get; init; }

    /// <summary><c>--serviceaccount</c>, for a new Deployment.</summary>
    internal string? ServiceAccount { get; init; }

    /// <summary>What a new Deployment's Service is to have; empty for no Service. Ports in the pod.</summary>
    internal IReadOnlyList<ContainerPort> Exposed { get; init; } = [];

    /// <summary>After how long without a client the pod restores a swapped Deployment by itself.</summary>
    internal TimeSpan RestoreAfter { get; init; } = TimeSpan.FromSeconds(75);

    /// <summary>Checks the names and prepares the way; nothing is asked or made yet.</summary>
    /// <exception cref="UserError">A name cannot be one.</exception>
    internal IProxyWorkload Prepare(WorkloadContext context)
    {
        switch (Mode)
        {
            case WorkloadMode.Existing:
                return new ExistingWorkload(context, WorkloadName.Parse(Name!, "--deployment"));
            case WorkloadMode.Swap:
                return new SwappedWorkload(context, WorkloadName.Parse(Name!, "--swap-deployment"), Image, RestoreAfter);
            default:
                if (Name is not null)
                    WorkloadName.CheckNew(Name, Exposed.Count > 0);
                return new NewWorkload(context, this);
        }
    }

    /// <summary>A session's name: ten hexadecimal digits.</summary>
    internal static string NewSession() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(5));
}
