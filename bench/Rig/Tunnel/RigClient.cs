using System.Net;
using System.Runtime.InteropServices;

using Telepresence.Cli;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Launch.Preload;
using Telepresence.Cli.Machine;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Rig.Tunnel;

/// <summary>
/// The laptop's side without a cluster, over a plain TCP link: the same engine as in the product, and in the namespace that it is started
/// in either the changes of <c>telepresence connect</c> to the network (a TUN), or with <c>--preload</c> the shim's agent, for programs that
/// get the variables which it prints. With <c>--stack</c> connections out of the TUN do not go through the session but end in sockets of
/// the link's namespace. Runs until it is told to stop, and says "ready" and what a program needs once it serves.
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
            Version = ProductVersion.Text,
            SessionId = Guid.NewGuid(),
            Key = Convert.FromHexString(Environment.GetEnvironmentVariable("RIG_KEY") ?? throw new ArgumentException("RIG_KEY is not set.")),
            DirectLink = !arguments.Has("relayed"),
        };
        await engine.ConnectAsync(session, source, stopping.Token).WaitAsync(ConnectLimit);

        if (arguments.Has("preload"))
        {
            await using PreloadMethod method = await ServeShimAsync(engine, arguments.Text("preload"));
            Console.WriteLine($"ready\t{string.Join('\t', method.Variables(null).Select(static variable => $"{variable.Key}={variable.Value}"))}");
            await WaitAsync(engine, stopping.Token);
            return 0;
        }

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
            Direct = arguments.Has("stack") ? network.Routes : [],
            RouteOutside = static _ => Task.CompletedTask,
        });

        // Only the loop's thread makes sockets, so it alone has to move.
        if (arguments.Has("stack"))
            await engine.InvokeAsync(_ => NamespaceLinkSource.Enter(arguments.Text("link-netns")));
        Console.WriteLine($"ready\t{dns}");
        await WaitAsync(engine, stopping.Token);
        Console.WriteLine(await engine.GetStatusAsync());
        return 0;
    }

    private static async Task<PreloadMethod> ServeShimAsync(ConnectEngine engine, string directory)
    {
        await engine.AttachNetworkAsync(new EngineNetwork { DnsRules = new DnsRules(new DnsRulesOptions()), RouteOutside = static _ => Task.CompletedTask });
        return await PreloadMethod.StartAsync(engine, new PreloadOptions { Directory = directory });
    }

    private static async Task WaitAsync(ConnectEngine engine, CancellationToken stopping)
    {
        try
        {
            await engine.Running.WaitAsync(stopping);
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
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
