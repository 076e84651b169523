using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Stack;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Tunnel.Tests.Stack;

/// <summary>
/// Two sides and a network between them that loses, doubles, delays, reorders and corrupts by a seed, in simulated time. Several clients
/// at once send through an echo service; every byte is accounted for, and afterwards the stack holds nothing any more.
/// </summary>
public class SimulatedLinkTests
{
    private const int SeedsPerCase = 50;
    private const long TimeLimit = 2_000_000_000; // simulated µs

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Every_byte_is_accounted_for(int group)
    {
        for (int i = 0; i < SeedsPerCase; i++)
            Run(group * SeedsPerCase + i);
    }

    private static void Run(int seed)
    {
        var random = new Random(seed);
        var faults = new Faults
        {
            Latency = random.Next(1, 2_000),
            Loss = random.NextDouble() * 0.15,
            Duplication = random.NextDouble() * 0.1,
            Delay = random.NextDouble() * 0.3,
            MaxDelay = random.Next(1_000, 50_000),
            Corruption = random.NextDouble() * 0.05,
            Full = random.NextDouble() * 0.05,
        };
        bool v6 = random.Next(2) == 0, sack = random.Next(2) == 0;
        int mtu = random.Next(3) switch { 0 => 1_280, 1 => 1_500, _ => 9_000 };
        NetAddress source = NetAddress.Parse(v6 ? "fd77::1" : "10.77.0.1"), destination = NetAddress.Parse(v6 ? "fd77::80" : "10.77.0.80");
        string context = $"seed {seed}, {faults}, v6 {v6}, sack {sack}, mtu {mtu}";

        long now = 0;
        NetworkStack stack = null!;
        List<ReferenceClient> clients = [];
        var services = new PortServices { Stack = () => stack };
        var inward = new FaultyLink(faults, seed, (frame, at) => stack.Receive(frame, at));
        var outward = new FaultyOutput(faults, seed + 1, (frame, at) => clients.ForEach(client => client.Receive(frame, at)), () => now);
        stack = new NetworkStack(new StackOptions { Mtu = mtu, Offload = false, MaxRetransmissions = 30 }, new ChunkPool(), outward, services);
        for (int i = random.Next(1, 4); i > 0; i--)
            clients.Add(new ReferenceClient(source, destination, (ushort)(1_000 + i), random.Next(0, 200_000), mtu, sack, new Random(seed * 7 + i), inward.Send));

        while (true)
        {
            foreach (ReferenceClient client in clients)
                client.Poll(now);
            inward.Poll(now);
            outward.Link.Poll(now);
            stack.Poll(now);
            foreach (ReferenceClient client in clients)
            {
                Assert.True(client.Errors.Count == 0, $"{string.Join(" ", client.Errors)} ({context})");
                Assert.False(client.Reset, $"reset ({context})");
            }
            if (clients.TrueForAll(client => client.Done) && stack.ConnectionCount == 0)
                break;
            long next = Math.Min(Math.Min(stack.NextDeadline, inward.NextDeadline), Math.Min(outward.Link.NextDeadline, clients.Min(client => client.NextDeadline)));
            now = Math.Max(now + 1, next);
            Assert.True(now < TimeLimit, $"does not come to an end; {string.Join(", ", clients)}; {services.Closed} closed, {services.Resets} reset ({context})");
        }
        Assert.True(services.Errors.Count == 0, $"{string.Join(" ", services.Errors)} ({context})");
        Assert.Equal((clients.Count, 0), (services.Closed, services.Resets));
        Assert.Equal((0L, 0, 0), (stack.Budget.Promised, stack.OutOfOrderStores, stack.HalfOpen));
        Assert.Equal(0, stack.Pool.InUse);
    }
}
