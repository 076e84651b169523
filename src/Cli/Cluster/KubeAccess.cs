using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Cluster;

/// <summary>The way to one cluster: a <c>kubectl proxy</c>, started again should it end, and the client that speaks through it.</summary>
internal sealed class KubeAccess : IAsyncDisposable
{
    private readonly InvokingUser _user;
    private readonly KubeTarget _target;
    private readonly string _directory;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private KubectlProxy _proxy;

    private KubeAccess(InvokingUser user, KubeTarget target, string directory, KubectlProxy proxy)
    {
        _user = user;
        _target = target;
        _directory = directory;
        _proxy = proxy;
        Client = new KubeClient(() => _proxy.SocketPath, target.Server, () => _proxy.ErrorText);
    }

    /// <summary>Speaks to the API server.</summary>
    internal KubeClient Client { get; }

    /// <summary>Starts kubectl.</summary>
    /// <exception cref="UserError">It does not start.</exception>
    internal static async Task<KubeAccess> StartAsync(InvokingUser user, KubeTarget target, string directory, CancellationToken cancellation) =>
        new(user, target, directory, await KubectlProxy.StartAsync(user, target.Kubeconfig, target.Context, directory, cancellation));

    /// <summary>Starts kubectl again if it has ended, as when somebody killed it.</summary>
    /// <exception cref="UserError">It does not start.</exception>
    internal async Task EnsureAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation);
        try
        {
            if (!_proxy.HasExited)
                return;
            KubectlProxy ended = _proxy;
            _proxy = await KubectlProxy.StartAsync(_user, _target.Kubeconfig, _target.Context, _directory, cancellation);
            await ended.DisposeAsync();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _proxy.DisposeAsync();
        _turn.Dispose();
    }
}
