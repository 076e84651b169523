using System.Security.Cryptography;

using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy.Tests;

/// <summary>A proxy whose spec has no key's hash: what a user wrote after the 0.27 documentation.</summary>
public sealed class FirstKeyTests
{
    [Fact]
    public async Task The_first_client_is_let_in_and_another_is_not_while_it_is_there()
    {
        await using RunningProxy proxy = new(takesFirstKey: true);
        using ProxyClient first = new();
        first.Link(proxy.Port);
        Assert.Equal(SessionState.Established, first.Session.State);

        using ProxyClient second = new(key: SHA256.HashData("another"u8));
        second.Link(proxy.Port);

        Assert.Equal(HelloRefusal.BadKey, second.Session.Refusal);
        Assert.Contains("another client uses this proxy", second.Session.EndReason, StringComparison.Ordinal);
        Assert.Equal(SessionState.Established, first.Session.State);
    }

    [Fact]
    public async Task The_first_client_comes_back_to_its_session_after_a_cut()
    {
        await using RunningProxy proxy = new(takesFirstKey: true);
        using ProxyClient first = new();
        first.Link(proxy.Port);
        first.Cut();

        first.Link(proxy.Port);

        Assert.Equal(SessionState.Established, first.Session.State);
    }

    [Fact]
    public async Task A_client_that_was_killed_makes_way_for_the_next_without_a_wait()
    {
        await using RunningProxy proxy = new(takesFirstKey: true);
        using ProxyClient killed = new();
        killed.Link(proxy.Port);
        killed.Cut();
        using ProxyClient next = new(key: SHA256.HashData("another"u8));
        next.Turns.Until(() => proxy.Lines.Any(static line => line.Contains("lost its link", StringComparison.Ordinal)));

        next.Link(proxy.Port);

        Assert.Equal(SessionState.Established, next.Session.State);
        killed.Link(proxy.Port);
        Assert.Equal(HelloRefusal.BadKey, killed.Session.Refusal);
    }

    [Fact]
    public async Task A_stranger_that_looks_for_a_session_of_elsewhere_costs_the_first_client_nothing()
    {
        await using RunningProxy elsewhere = new(takesFirstKey: true);
        await using RunningProxy proxy = new(takesFirstKey: true);
        using ProxyClient stranger = new(key: SHA256.HashData("another"u8));
        stranger.Link(elsewhere.Port);
        stranger.Cut();
        using ProxyClient first = new();
        first.Link(proxy.Port);
        first.Cut();
        stranger.Turns.Until(() => proxy.Lines.Any(static line => line.Contains("lost its link", StringComparison.Ordinal)));

        stranger.Link(proxy.Port);
        Assert.Equal(HelloRefusal.UnknownSession, stranger.Session.Refusal);
        first.Link(proxy.Port);

        Assert.Equal(SessionState.Established, first.Session.State);
    }
}
