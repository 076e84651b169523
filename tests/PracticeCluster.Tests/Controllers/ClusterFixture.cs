using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Practice;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Tests.Controllers;

/// <summary>A control plane with pods that only pretend, for tests of controllers and API.</summary>
public sealed class ClusterFixture : IAsyncLifetime
{
    internal static readonly StaticUser Admin = new("admin-token", "admin", "1", ["system:masters"]);
    internal static readonly StaticUser Dev = new("dev-token", "dev", "2", []);

    internal Cluster Cluster { get; } = new("/nonexistent", "test", [Admin, Dev], (_, _, listener) => new PretendNode(listener));

    internal HttpClient Client(StaticUser? user)
    {
        var client = new HttpClient(Handler()) { BaseAddress = new Uri($"https://{Cluster.Address}") };
        if (user is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", user.Token);
        return client;
    }

    /// <summary>Trusts this cluster's CA and no other.</summary>
    internal SocketsHttpHandler Handler()
    {
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(X509Certificate2.CreateFromPem(Cluster.CaPem));
        return new SocketsHttpHandler { SslOptions = { CertificateChainPolicy = trust } };
    }

    internal JsonObject Create(ResourceType type, string home, string json) => Cluster.Registry.Create(type, home, Given.Object(json), WriteContext.Internal);

    /// <summary>Waits for the object to become so, driven by its changes.</summary>
    internal async Task<JsonObject> UntilAsync(ResourceType type, string home, string name, Func<JsonObject, bool> so)
    {
        using var changes = Cluster.Registry.Store.Subscribe(type, null, out _);
        using var unexpected = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var change in changes.Changes.ReadAllAsync(unexpected.Token))
            if (change.Item.Namespace() == home && change.Item.Name() == name && so(change.Item)) return change.Item;
        throw new InvalidOperationException("the store ended");
    }

    public Task InitializeAsync() => Cluster.UpAsync(new(System.Net.IPAddress.Loopback, 0), CancellationToken.None);

    public async Task DisposeAsync() => await Cluster.DisposeAsync();
}
