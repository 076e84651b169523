using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

using Telepresence.Cli.Cluster.Workloads;
using Telepresence.Cli.Engine;
using Telepresence.Cli.Launch.Holder;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Cli.Machine;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>
/// <c>volumes PORT JOURNAL MODE FLAG WRITABLE PATH,KIND[,SUBPATH]…</c> is a session and the process that mounts in one: it connects to a proxy on
/// a loopback port and gets its volumes. It says <c>ready METHOD ROOT</c> and the notes, or <c>error</c> and a sentence, and then obeys.
/// </summary>
internal sealed class VolumeHelper : ILinkSource
{
    private FileDescriptor? _link;
    private ushort _port;

    internal static async Task<int> RunAsync(string[] arguments)
    {
        VolumeHelper helper = new() { _port = ushort.Parse(arguments[0], CultureInfo.InvariantCulture) };
        using Journal journal = Journal.OpenAt(arguments[1]);
        if (arguments[2] == "undo")
        {
            await journal.UndoAllAsync(CancellationToken.None);
            return 0;
        }

        await using ConnectEngine engine = new();
        await helper.ConnectAsync(engine);
        using SemaphoreSlim turn = new(1);
        HolderUser? user = Environment.GetEnvironmentVariable("FOR_USER") == "1" ? new HolderUser(65533, 65533, []) : null;
        await using VolumeMounter mounter = new(turn, user);
        try
        {
            VolumeSettings settings = new()
            {
                RealPaths = arguments[2] == "real",
                Mount = MountOption.Parse(arguments[3]),
                Writable = arguments[4] == "1",
                Mounts = [.. arguments[5..].Select(Mount)],
                Uid = Libc.geteuid(),
                Gid = Cli.Daemon.Posix.getegid(),
                Home = Environment.GetEnvironmentVariable("HOME")!,
                WorkingDirectory = Environment.CurrentDirectory,
                Log = static line => Console.Error.WriteLine(line),
            };
            await using TreeVolumes volumes = await TreeVolumes.StartAsync(engine, journal, mounter, settings, CancellationToken.None);
            string root = volumes.Variables.GetValueOrDefault("TELEPRESENCE_ROOT", "");
            Console.WriteLine($"ready {volumes.Method} {root}\t{string.Join(' ', volumes.Notes)}");
            await helper.ObeyAsync(engine, volumes);
        }
        catch (UserError error)
        {
            Console.WriteLine($"error {error.Message}");
        }

        return 0;
    }

    public Task<Link> ConnectAsync(CancellationToken cancellation)
    {
        FileDescriptor link = SocketOptions.Open(Libc.AF_INET, Libc.SOCK_STREAM) ?? throw Libc.Failure("socket");
        int error = SocketOptions.Connect(link, NetAddress.FromIPAddress(IPAddress.Loopback), _port);
        if (error is not (0 or Libc.EINPROGRESS))
            throw new IOException(Libc.Describe(error));
        _link = link;
        return Task.FromResult(new Link(link));
    }

    private static ContainerMount Mount(string text) => text.Split(',') switch
    {
        [string path, string kind] => new ContainerMount(path, "volume" + path.Replace('/', '-'), kind, true, null),
        [string path, string kind, string subPath] => new ContainerMount(path, "volume" + path.Replace('/', '-'), kind, true, subPath),
        _ => throw new ArgumentException(text),
    };

    private Task ConnectAsync(ConnectEngine engine) =>
        engine.ConnectAsync(new MuxSessionOptions { Version = "1.0.0", SessionId = Guid.NewGuid(), Key = PodFiles.Key }, this, CancellationToken.None);

    private async Task ObeyAsync(ConnectEngine engine, TreeVolumes volumes)
    {
        while (Console.ReadLine() is { } order && order != "stop")
        {
            switch (order.Split(' ', 2))
            {
                case ["run", string command]:
                    Console.WriteLine(await ShellAsync(JsonSerializer.Deserialize<string>(command)!, volumes));
                    break;
                case ["pod", string port]:
                    _port = ushort.Parse(port, CultureInfo.InvariantCulture);
                    await ConnectAsync(engine);
                    Console.WriteLine("done");
                    break;
                case ["pid"]:
                    Console.WriteLine(Environment.ProcessId);
                    break;
                case ["kill-sshfs"]:
                    Console.WriteLine(KillSshfs());
                    break;
                case ["cut"]:
                    Console.WriteLine(Cli.Daemon.Posix.shutdown(_link!.Number, Cli.Daemon.Posix.SHUT_RDWR));
                    break;
            }
        }
    }

    // The parent is the second number in stat, behind the name in brackets.
    private static int KillSshfs()
    {
        int killed = 0;
        foreach (string stat in Directory.EnumerateDirectories("/proc").Where(static path => char.IsAsciiDigit(path[6])).Select(static path => path + "/stat"))
        {
            try
            {
                string text = File.ReadAllText(stat);
                if (text.Contains("(sshfs)", StringComparison.Ordinal) && text.Split(' ')[3] == $"{Environment.ProcessId}" && text.Split(' ')[2] != "Z")
                    killed += 1 + Cli.Daemon.Posix.kill(int.Parse(text.Split(' ')[0], CultureInfo.InvariantCulture), Cli.Daemon.Posix.SIGKILL);
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return killed;
    }

    private static async Task<string> ShellAsync(string command, TreeVolumes volumes)
    {
        ProcessStartInfo start = new("sh", ["-c", $"exec 2>&1; {command}"]) { RedirectStandardOutput = true };
        foreach ((string name, string value) in volumes.Variables)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return $"{process.ExitCode} {Convert.ToBase64String(Encoding.UTF8.GetBytes(output))}";
    }
}
