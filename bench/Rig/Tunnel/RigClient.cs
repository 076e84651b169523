using System.Net;
using System.Runtime.InteropServices;

using Telepresence.Cli.Engine;
using Telepresence.Cli.Machine;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Rig.Tunnel;

/// <summary>
/// The laptop's side of <c>telepresence connect</c> without a cluster: the same engine and the same changes to the network, in the namespace
/// that it is started in, over a plain TCP link. Runs until it is told to stop, and says "ready" and the DNS address once it serves.
/// </summary>
internal static class RigClient
{
    private const ushort DnsPort = 53;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    internal static async Task<int> RunAsync(Arguments arguments)
    {
        using CancellationTokenSource stopping = new();
        using PosixSignalRegistration terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, stopping));
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, stopping));

        await using ConnectEngine engine = new();
        engine.LinkChanged = static reason => Console.Error.WriteLine(reason is null ? "link up" : $"link down: {reason}");
        engine.SessionLost = static reason => Console.Error.WriteLine($"session lost: {reason}");
        NamespaceLinkSource source = new(IPEndPoint.Parse(arguments.Text("link")), arguments.Has("link-netns") ? arguments.Text("link-netns") : null);
        MuxSessionOptions session = new()
        {
            Version = arguments.Text("proxy-version"),
            SessionId = Guid.NewGuid(),
            Key = Convert.FromHexString(Environment.GetEnvironmentVariable("RIG_KEY") ?? throw new ArgumentException("RIG_KEY is not set.")),
        };
        await engine.ConnectAsync(session, source, stopping.Token).WaitAsync(ConnectLimit);

        using Journal journal = Journal.OpenAt(arguments.Text("journal"));
        MachineNetwork machine = new(journal);
        NetworkRequest request = new() { AlsoProxy = [IPNetwork.Parse(arguments.Text("route"))] };
        NetworkResult network = await machine.ConfigureAsync(request, stopping.Token);
        IPAddress dns = network.Addresses[0];
        await engine.AttachNetworkAsync(new EngineNetwork
        {
            Tun = network.Tun,
            Mtu = request.Mtu,
            DnsUdp = [Bound(dns)],
            DnsRules = new DnsRules(new DnsRulesOptions { Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"] }),
            Routes = network.Routes,
            RouteOutside = static _ => Task.CompletedTask,
        });
        Console.WriteLine($"ready {dns}");
        try
        {
            await engine.Running.WaitAsync(stopping.Token);
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }

        Console.WriteLine(await engine.GetStatusAsync());
        return 0;
    }

    private static void Stop(PosixSignalContext context, CancellationTokenSource stopping)
    {
        context.Cancel = true;
        stopping.Cancel();
    }

    private static FileDescriptor Bound(IPAddress address)
    {
        FileDescriptor socket = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_DGRAM) ?? throw Libc.Failure("socket");
        int error = SocketOptions.Bind(socket, NetAddress.FromIPAddress(address), DnsPort, Libc.AF_INET);
        return error == 0 ? socket : throw new IOException($"binding {address}:{DnsPort}: {Libc.Describe(error)}");
    }
}
