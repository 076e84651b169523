using System.Security.Cryptography;
using Telepresence.PracticeCluster.Access;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Tests.Access;

public sealed class TokenTests : IDisposable
{
    private readonly RSA _key = RSA.Create(2048);
    private readonly ObjectStore _store = new();

    public TokenTests()
    {
        _store.Add(ResourceTypes.ServiceAccounts, Given.Object("{'metadata':{'name':'sa','namespace':'team','uid':'u1'}}"));
        _store.Add(ResourceTypes.Pods, Given.Object("{'metadata':{'name':'pod','namespace':'team','uid':'p1'}}"));
    }

    [Fact]
    public void A_token_proves_its_service_account()
    {
        var issuer = new TokenIssuer(_store, _key);
        var user = issuer.Verify(Issue(issuer, TimeSpan.FromHours(1)));
        Assert.Equal("system:serviceaccount:team:sa", user!.Name);
        Assert.Contains("system:serviceaccounts:team", user.Groups);
    }

    [Fact]
    public void A_token_ends_with_its_time_its_pod_and_its_account()
    {
        var issuer = new TokenIssuer(_store, _key);
        Assert.Null(issuer.Verify(Issue(issuer, TimeSpan.FromSeconds(-1))));
        var token = Issue(issuer, TimeSpan.FromHours(1));
        _store.Remove(ResourceTypes.Pods, "team", "pod");
        Assert.Null(issuer.Verify(token));
    }

    [Fact]
    public void A_forged_token_proves_nothing()
    {
        var issuer = new TokenIssuer(_store, _key);
        using var other = RSA.Create(2048);
        Assert.Null(issuer.Verify(Issue(new TokenIssuer(_store, other), TimeSpan.FromHours(1))));
        Assert.Null(issuer.Verify("a.b.c"));
        Assert.Null(issuer.Verify("nothing"));
    }

    [Fact]
    public void A_token_for_another_audience_is_not_for_the_api()
    {
        var issuer = new TokenIssuer(_store, _key);
        Assert.Null(issuer.Verify(issuer.Issue("team", "sa", ["vault"], TimeSpan.FromHours(1), null, null).Token));
    }

    [Fact]
    public void The_user_file_is_that_of_a_real_api_server()
    {
        var users = StaticUser.ParseFile("# comment\n\nt1,dev,7,\"a,b\"\nt2,bob,8\n");
        Assert.Equal(["dev", "bob"], users.Select(u => u.Name));
        Assert.Equal(["a", "b"], users[0].Groups);
        Assert.Contains("line 1", Assert.Throws<FormatException>(() => StaticUser.ParseFile("broken")).Message);
    }

    public void Dispose() => _key.Dispose();

    private static string Issue(TokenIssuer issuer, TimeSpan life) => issuer.Issue("team", "sa", [], life, ("pod", "p1"), "node").Token;
}
