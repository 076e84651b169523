using Telepresence.Cli.Engine.Dns;
using Telepresence.Dns;
using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Tests.Engine;

public sealed class DnsServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // Not only names outside the cluster: who may not ask for the range of Services knows an address first from its answer.
    [Theory]
    [InlineData(DnsOrigin.Cluster, true)]
    [InlineData(DnsOrigin.Outside, true)]
    [InlineData(DnsOrigin.Local, false)]
    public async Task Answers_of_the_cluster_wait_for_routes_to_what_they_name(DnsOrigin origin, bool waits)
    {
        using EventLoop loop = new();
        Task running = loop.Start("test");
        Recorder routes = new();
        await loop.InvokeAsync(() =>
        {
            using DnsServer server = new(loop, new ChunkPool(), new DnsRules(new DnsRulesOptions()), routes);
            if (waits)
                server.Reply(new DnsClientToken(), "answer"u8, origin);
            else
                Assert.ThrowsAny<ArgumentOutOfRangeException>(() => server.Reply(new DnsClientToken(), "answer"u8, origin)); // Sent at once, to a socket that is not there.
            return true;
        }).WaitAsync(Patience);
        Assert.Equal(waits ? ["answer"] : [], routes.Asked);
        loop.Stop();
        await running.WaitAsync(Patience);
    }

    private sealed class Recorder : IOutsideRoutes
    {
        internal List<string> Asked { get; } = [];

        public bool NeedsRoutes(ReadOnlySpan<byte> answer) => true;

        public Task RouteAsync(byte[] answer)
        {
            Asked.Add(System.Text.Encoding.UTF8.GetString(answer));
            return new TaskCompletionSource().Task;
        }
    }
}
