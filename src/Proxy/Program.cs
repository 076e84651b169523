using System.Globalization;
using System.Net.Sockets;
using System.Reflection;

using Telepresence.Proxy;
using Telepresence.Tunnel.Io;

// telepresence-proxy             serves until SIGTERM or SIGINT
// telepresence-proxy --ready     exit code 0 when a proxy serves in this pod (for an exec probe)
// telepresence-proxy --version
const int failed = 1, badUsage = 2;
string version = typeof(ProxyHost).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
try
{
    switch (args)
    {
        case ["--version"]:
            Console.WriteLine(version);
            return 0;
        case ["--ready"]:
            return IsReady(ProxySettings.ReadPort(Environment.GetEnvironmentVariable)) ? 0 : failed;
        case []:
            return Serve(ProxySettings.Read(Environment.GetEnvironmentVariable), version);
        default:
            Console.Error.WriteLine("telepresence-proxy takes --ready, --version or nothing.");
            return badUsage;
    }
}
catch (Exception fault) when (fault is FormatException or IOException)
{
    Console.Error.WriteLine($"telepresence-proxy: {fault.Message}");
    return failed;
}

static bool IsReady(ushort port)
{
    using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    try
    {
        socket.Connect("127.0.0.1", port);
        return true;
    }
    catch (SocketException)
    {
        return false;
    }
}

static int Serve(ProxySettings settings, string version)
{
    OpenFilesLimit.Raise();
    using EventLoop loop = new();
    using ProxyHost host = new(loop, settings, version, NameServers.Read(), Log);
    Log($"telepresence-proxy {version}");
    host.Listen(settings.Port);
    using Farewell farewell = new(host);
    using Restorer? restorer = settings.Restore is { } order ? new Restorer(host, order, () => RestoreClient.InPod(order), TimeProvider.System, Log) : null;
    loop.Run();
    Log("stopped");
    return 0;
}

static void Log(string line) =>
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {line}"));
