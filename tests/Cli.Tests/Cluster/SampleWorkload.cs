using Telepresence.Cli.Cluster;
using Telepresence.Cli.Cluster.Workloads;

namespace Telepresence.Cli.Tests.Cluster;

/// <summary>A workload of which only the names matter.</summary>
internal sealed class SampleWorkload : IProxyWorkload
{
    private readonly ProxyDeployment _sample = ProxyDeploymentTests.Sample();

    public string Namespace => _sample.Namespace;

    public string Name => _sample.Name;

    public string PodSelector => _sample.PodSelector;

    public string Container => ProxyDeployment.ContainerName;

    public string Image => _sample.Image;

    public int Port => ProxyDeployment.Port;

    public bool AsksForSysctls => true;

    public TimeSpan StartLimit => ProxyDeployment.StartLimit;

    /// <summary>How often it was asked to give way.</summary>
    internal int MadeRoom { get; private set; }

    public bool Accepts(Pod pod) => true;

    public Task MakeAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task MakeWithoutSysctlsAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task RemakeAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task MakeRoomAsync(CancellationToken cancellation)
    {
        MadeRoom++;
        return Task.CompletedTask;
    }

    public Task TakeOverAsync(CancellationToken cancellation) => Task.CompletedTask;

    public Task<string> KeepAsync(CancellationToken cancellation) => Task.FromResult("");
}
