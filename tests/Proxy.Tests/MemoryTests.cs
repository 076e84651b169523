using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Tests.Forward;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Proxy.Tests;

public sealed class MemoryTests
{
    // The pod's limit is 256 MiB.
    private const long MostKilobytes = 160 * 1024;

    [Fact]
    public void Many_connections_whose_client_reads_slowly_leave_the_proxy_small()
    {
        using ReservedPort port = new();
        using Process proxy = ProgramTests.Start(port.Number);
        try
        {
            using ProxyClient client = new();
            ProgramTests.UntilReady(port.Number, proxy);
            client.Link(port.Number);
            using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(200);
            Task feeding = FeedAsync(listener);
            byte[] target = new TargetAddress(NetAddress.Parse("127.0.0.1"), (ushort)((IPEndPoint)listener.LocalEndPoint!).Port).ToBytes();
            List<StreamRecorder> streams = [];
            for (int i = 0; i < 100; i++)
            {
                StreamRecorder stream = new() { Consumes = i % 2 == 0 };
                streams.Add(stream);
                client.Open(StreamKind.Tcp, target, stream);
            }

            client.Turns.Until(() => streams.Sum(static stream => (long)stream.Bytes.Count) > 60_000_000);
            client.Cut();
            client.Link(port.Number);
            client.Turns.Until(() => streams.Sum(static stream => (long)stream.Bytes.Count) > 120_000_000);
            long peak = Kilobytes(proxy.Id, "VmHWM:");
            Assert.True(peak < MostKilobytes, $"the proxy has used {peak} kB");
            Assert.False(feeding.IsFaulted);
        }
        finally
        {
            proxy.Kill();
        }
    }

    private static async Task FeedAsync(Socket listener)
    {
        byte[] bytes = new byte[256 * 1024];
        List<Task> all = [];
        while (all.Count < 100)
        {
            Socket connection = await listener.AcceptAsync();
            all.Add(Task.Run(async () =>
            {
                try
                {
                    while (true)
                        await connection.SendAsync(bytes);
                }
                catch (SocketException)
                {
                    // The test is over.
                }
            }));
        }
    }

    private static long Kilobytes(int pid, string field)
    {
        string line = File.ReadAllLines($"/proc/{pid}/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
    }
}
