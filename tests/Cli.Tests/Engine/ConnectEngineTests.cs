using System.Security.Cryptography;

using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Cli.Tests.Engine;

public sealed class ConnectEngineTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly byte[] Key = SHA256.HashData("key"u8);

    [Fact]
    public async Task A_client_that_leaves_says_goodbye()
    {
        await using FakeProxy proxy = new(Key);
        await using (ConnectEngine engine = new())
            Assert.Equal("{}"u8.ToArray(), await engine.ConnectAsync(Options(), proxy, default).WaitAsync(Patience));
        Assert.Equal("the client said goodbye", await proxy.Ended.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_connect_that_is_given_up_leaves_no_session_behind()
    {
        await using FakeProxy proxy = new(Key) { OnInfo = (_, _, _) => { } };
        await using ConnectEngine engine = new();
        using CancellationTokenSource stop = new();
        Task<byte[]> connecting = engine.ConnectAsync(Options(), proxy, stop.Token);
        await proxy.Asked.WaitAsync(Patience);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.WaitAsync(Patience));
        Assert.Equal("the client gave up", await proxy.Ended.WaitAsync(Patience));
    }

    // The client takes the session over from another thread just as the proxy ends it, so which of the two is first varies.
    [Fact]
    public async Task A_session_that_ends_around_its_report_is_told_by_the_exception_or_by_the_event()
    {
        for (int i = 0; i < 50; i++)
        {
            await using FakeProxy proxy = new(Key) { OnReported = static (session, now) => session.End("the pod is being stopped", now) };
            TaskCompletionSource<string> lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
            await using ConnectEngine engine = new() { SessionLost = reason => lost.TrySetResult(reason) };
            string told;
            try
            {
                await engine.ConnectAsync(Options(), proxy, default).WaitAsync(Patience);
                told = await lost.Task.WaitAsync(Patience);
            }
            catch (SessionLostException fault)
            {
                told = fault.Message;
            }

            Assert.Contains("the pod is being stopped", told, StringComparison.Ordinal);
            Assert.Equal("None", (await engine.GetStatusAsync()).Session);
        }
    }

    [Fact]
    public async Task A_session_that_ends_instead_of_its_report_is_reported_with_its_reason()
    {
        await using FakeProxy proxy = new(Key) { OnInfo = static (session, _, now) => session.End("the pod is being stopped", now) };
        await using ConnectEngine engine = new();
        SessionLostException lost = await Assert.ThrowsAsync<SessionLostException>(() => engine.ConnectAsync(Options(), proxy, default).WaitAsync(Patience));
        Assert.Contains("the pod is being stopped", lost.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_that_ends_right_behind_its_handshake_is_reported()
    {
        await using FakeProxy proxy = new(Key) { OnEstablished = static (session, now) => session.End("the pod is being stopped", now) };
        await using ConnectEngine engine = new();
        SessionLostException lost = await Assert.ThrowsAsync<SessionLostException>(() => engine.ConnectAsync(Options(), proxy, default).WaitAsync(Patience));
        Assert.Contains("the pod is being stopped", lost.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fault_in_making_links_ends_the_session_with_its_reason()
    {
        await using ConnectEngine engine = new();
        SessionLostException lost = await Assert.ThrowsAsync<SessionLostException>(
            () => engine.ConnectAsync(Options(), new BrokenSource(), default).WaitAsync(Patience));
        Assert.Contains("a bug", lost.Message, StringComparison.Ordinal);
    }

    private static MuxSessionOptions Options() => new() { Version = FakeProxy.Version, SessionId = Guid.NewGuid(), Key = Key };

    private sealed class BrokenSource : ILinkSource
    {
        public Task<Link> ConnectAsync(CancellationToken cancellation) => throw new InvalidOperationException("a bug");
    }
}
