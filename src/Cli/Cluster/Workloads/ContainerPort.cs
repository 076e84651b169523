namespace Telepresence.Cli.Cluster.Workloads;

/// <summary>A port of a pod.</summary>
/// <param name="Number">1 to 65535.</param>
/// <param name="Protocol"><c>TCP</c> or <c>UDP</c>.</param>
/// <param name="Name">The name that a Service may call it by, or null.</param>
internal sealed record ContainerPort(int Number, string Protocol = "TCP", string? Name = null);
