using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

using Telepresence.Cli;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Engine.Listeners;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Holder.Loopback;
using Telepresence.Dns;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Holder.Tests.World;

/// <summary>A session with the pod that runs a command in a namespace: what the front end does, without a cluster.</summary>
internal static class SessionHelper
{
    internal static async Task<int> RunAsync(string directory, string[] command)
    {
        bool mountsOnly = Environment.GetEnvironmentVariable("TEST_MOUNTS_ONLY") == "1";
        try
        {
            await using ConnectEngine engine = new();
            HolderOptions options = new() { Environment = InvokingUser.CurrentEnvironment(), Network = !mountsOnly, Log = static line => Console.Error.WriteLine($"log: {line}") };
            await using HolderClient holder = await HolderClient.StartAsync(options, default);
            if (!mountsOnly)
            {
                await engine.ConnectAsync(new MuxSessionOptions { Version = "1.0.0", SessionId = Guid.NewGuid(), Key = PodHelper.Key }, new PodLink(directory), default);
                await AttachAsync(engine, holder);
            }

            InvokingUser user = InvokingUser.Resolve();
            if (Environment.GetEnvironmentVariable("SUDO_UID") is not null)
                Privileges.DropTo(user);
            string note = Path.Combine(directory, "holder");
            File.Delete(note); // perhaps another user's, who had a session before
            File.WriteAllText(note, $"{holder.Id} {holder.Rootless}");
            LaunchSpec spec = new() { Command = command, Environment = Variables() };
            TaskCompletionSource<LaunchedCommand> started = new();
            using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
            {
                context.Cancel = true;
                _ = ForwardAsync();
                async Task ForwardAsync() => holder.Signal(await started.Task, Posix.SIGTERM);
            });
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true);
            using PosixSignalRegistration continued = PosixSignalRegistration.Create(PosixSignal.SIGCONT, static context => context.Cancel = true);
            using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);
            if (!Console.IsInputRedirected)
                holder.CommandStopped = command => _ = holder.StopWith(command);
            LaunchedCommand launched = await holder.LaunchAsync(spec, default);
            started.SetResult(launched);
            try
            {
                return await launched.Exited;
            }
            catch (UserError error)
            {
                await holder.Ended;
                Console.Error.WriteLine($"telepresence: error: {error.Message}");
                return error.ExitCode;
            }
        }
        catch (UserError error)
        {
            Console.Error.WriteLine($"telepresence: error: {error.Message}");
            return error.ExitCode;
        }
    }

    private static async Task AttachAsync(ConnectEngine engine, HolderClient holder)
    {
        NamespaceSpec spec = new()
        {
            Avoid = ["198.18.0.0/15"],
            Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            Options = ["ndots:5"],
        };
        NamespaceNetwork network = await holder.ConfigureAsync(spec, default);
        DnsRules rules = new(new DnsRulesOptions { Search = spec.Search, Everything = true });
        await engine.AttachNetworkAsync(network.ToEngine(rules, [], [IPNetwork.Parse("192.0.2.0/24")]));
        ListenerWatch watch = await engine.AddServiceAsync(scope => LoopbackMirror.Watch(scope, holder, network));
        await engine.AddServiceAsync(scope => LoopbackMirror.Create(scope, watch, network, static line => Console.Error.WriteLine($"log: {line}")));
    }

    private static Dictionary<string, string> Variables()
    {
        Dictionary<string, string> variables = new(InvokingUser.CurrentEnvironment(), StringComparer.Ordinal) { ["FROM_SESSION"] = "a value\nof two lines" };
        return variables;
    }

    private sealed class PodLink(string directory) : ILinkSource
    {
        public async Task<Link> ConnectAsync(CancellationToken cancellation)
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(directory, "pod.sock")), cancellation);
            socket.Blocking = false;
            FileDescriptor copy = Posix.Duplicate((int)socket.Handle);
            GC.KeepAlive(socket);
            return new Link(copy);
        }
    }
}

/// <summary>Another terminal: enters the namespaces of a session that is up.</summary>
internal static class JoinHelper
{
    internal static int Run(string directory, string[] command)
    {
        string[] holder = File.ReadAllText(Path.Combine(directory, "holder")).Split(' ');
        InvokingUser user = InvokingUser.Resolve();
        IReadOnlyList<string> line = HolderJoin.CommandLine(
            int.Parse(holder[0], CultureInfo.InvariantCulture), bool.Parse(holder[1]), network: true, HolderUser.Of(user), Environment.CurrentDirectory, command);
        ChildProcess.Become(line[0], line, InvokingUser.CurrentEnvironment());
        return 1;
    }
}

/// <summary>Was started by sudo, or something like it, and gives root up while it has many threads.</summary>
internal static class DropHelper
{
    internal static int Run()
    {
        for (int i = 0; i < 8; i++)
            new Thread(static () => Thread.Sleep(Timeout.Infinite)) { IsBackground = true }.Start();
        Privileges.DropTo(InvokingUser.Resolve());
        foreach (string line in Directory.GetDirectories("/proc/self/task").SelectMany(ReadStatus).Where(static line => line.StartsWith("Uid", StringComparison.Ordinal) || line.StartsWith("CapEff", StringComparison.Ordinal)).Distinct())
            Console.WriteLine(line.Replace('\t', ' '));
        return 0;
    }

    private static string[] ReadStatus(string task)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(task, "status"));
        }
        catch (IOException)
        {
            // The thread has ended.
            return [];
        }
    }
}
