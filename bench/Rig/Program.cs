using System.Globalization;
using System.Net;
using System.Net.Sockets;

using Telepresence.Rig;
using Telepresence.Rig.Load;
using Telepresence.Rig.Run;
using Telepresence.Rig.Server;
using Telepresence.Rig.Tunnel;

// One program, several roles. "run" and "grow" are what people start (through ./dev bench); they start the others in namespaces.
if (args.Length == 0)
    return Usage();
Arguments arguments = new(args.AsSpan(1));
try
{
    switch (args[0])
    {
        case "run":
            return await BenchRun.RunAsync(arguments);
        case "grow":
            return await BenchRun.GrowAsync(arguments);
        case "client":
            return await RigClient.RunAsync(arguments);
        case "server":
            BulkServer.Start(Ports.Bulk);
            EchoServer.Start(Ports.Echo);
            if (!arguments.Has("without-dns"))
                DnsServer.Start(Ports.Dns);
            Console.WriteLine("ready");
            Thread.Sleep(Timeout.Infinite);
            return 0;
        case "bulk":
            BulkRequest request = new(arguments.Has("down"), arguments.Has("verify"), (int)arguments.Seconds("seconds", 3).TotalMilliseconds, Timed: arguments.Has("kubectl"));
            WebSocketDial? bare = arguments.Has("kubectl") ? new WebSocketDial(arguments.Text("kubectl"), arguments.Text("pod")) : null;
            Func<Socket> dial = bare is null ? () => Dial.Tcp(Target(Ports.Bulk)) : () => bare.Open(Ports.Bulk);
            return Print(BulkLoad.Run(dial, request, arguments.Number("streams", 1)));
        case "roundtrip":
            return Print(RoundTripLoad.Run(Target(Ports.Echo), arguments.Seconds("seconds", 2)));
        case "connect":
            return Print(ConnectLoad.Run(Target(Ports.Echo), arguments.Seconds("seconds", 2), arguments.Number("threads", 1)));
        case "idle":
            return IdleLoad.Run(Target(Ports.Echo), arguments.Number("count", 1000));
        case "slow":
            return SlowLoad.Run(Target(Ports.Bulk), arguments.Number("readers", 1));
        case "relay":
            double rate = double.Parse(arguments.Text("rate", "0"), CultureInfo.InvariantCulture);
            new DelayRelay(arguments.Number("listen", 0), arguments.Number("to", 0), arguments.Seconds("delay", 0), rate, arguments.Seconds("cut", 0)).Run();
            return 0;
        case "dns":
            return Print(DnsLoad.Run(Target(Ports.Dns), arguments.Seconds("seconds", 2), arguments.Number("names", 0), arguments.Text("domain")));
        default:
            return Usage();
    }
}
catch (Exception failure) when (failure is IOException or SocketException or InvalidDataException or ArgumentException or TimeoutException)
{
    Console.Error.WriteLine($"rig {args[0]}: {failure.Message}");
    return 1;
}

IPEndPoint Target(int port) => new(IPAddress.Parse(arguments.Text("to")), port);

static int Print(LoadResult result)
{
    Console.WriteLine(result.ToJson());
    return 0;
}

static int Usage()
{
    Console.Error.WriteLine("Started by scripts/bench: rig run|grow|client|server|relay|bulk|roundtrip|connect|idle|slow|dns --option value …");
    return 2;
}
