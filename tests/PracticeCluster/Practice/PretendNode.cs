using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Practice;

/// <summary>
/// A node without root: pods only say that they run. For tests of the control plane alone. Every pod logs three lines;
/// exec runs the command on this machine; a port-forward reaches this machine's loopback.
/// </summary>
internal sealed class PretendNode(INodeListener listener) : INode
{
    private readonly ConcurrentDictionary<PodKey, JsonObject> _pods = new();
    private int _next = 1;

    /// <summary>Pods whose image contains this never become ready.</summary>
    public const string UnreadyImage = "never-ready";

    public IReadOnlyList<ServiceView> Services { get; private set; } = [];

    public Task<NodeInfo> UpAsync(CancellationToken cancel) =>
        Task.FromResult(new NodeInfo([IPAddress.Parse("10.244.255.1")], [], new Dictionary<string, string>()));

    public IReadOnlyList<Socket> OpenApiSockets() => [];

    public Task DownAsync() => Task.CompletedTask;

    public void StartPod(JsonObject pod)
    {
        var key = PodKey.Of(pod);
        _pods[key] = pod;
        var number = Interlocked.Increment(ref _next);
        foreach (var container in pod.Each("spec", "containers"))
        {
            listener.PodEvent(key, container.Str("name"), "Normal", "Created", $"Created container: {container.Str("name")}");
            listener.PodEvent(key, container.Str("name"), "Normal", "Started", $"Started container {container.Str("name")}");
        }
        Report(key, pod, number);
    }

    public Task StopPodAsync(PodKey pod, TimeSpan grace)
    {
        _pods.TryRemove(pod, out _);
        return Task.CompletedTask;
    }

    public void PodChanged(JsonObject pod) => _pods[PodKey.Of(pod)] = pod;

    public void VolumeSourceChanged(string resource, string namespaceName, string name)
    {
    }

    public bool KillContainer(PodKey pod, string? container) => _pods.ContainsKey(pod);

    public async Task StreamLogsAsync(PodKey pod, string container, LogOptions options, Stream output, CancellationToken cancel)
    {
        for (var i = 1; i <= 3; i++) await output.WriteAsync(Encoding.UTF8.GetBytes($"line {i} of {pod.Name}/{container}\n"), cancel).ConfigureAwait(false);
        if (options.Follow) await Task.Delay(TimeSpan.FromSeconds(1), cancel).ConfigureAwait(false);
    }

    public async Task<int> ExecAsync(PodKey pod, string container, IReadOnlyList<string> command, ProcessStreams streams, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Start(start, pod);
        var input = CopyInputAsync(streams.Stdin, process, cancel);
        await Task.WhenAll(
            process.StandardOutput.BaseStream.CopyToAsync(streams.Stdout ?? Stream.Null, cancel),
            process.StandardError.BaseStream.CopyToAsync(streams.Stderr ?? streams.Stdout ?? Stream.Null, cancel)).ConfigureAwait(false);
        await process.WaitForExitAsync(cancel).ConfigureAwait(false);
        _ = input;
        return process.ExitCode;
    }

    public Task<int> AttachAsync(PodKey pod, string container, ProcessStreams streams, CancellationToken cancel) =>
        ExecAsync(pod, container, ["cat"], streams, cancel);

    public async Task<Socket> DialPodAsync(PodKey pod, int port, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancel).ConfigureAwait(false);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    public void ApplyServices(IReadOnlyList<ServiceView> services) => Services = services;

    public Task<string> ImportImageAsync(string archivePath, string? name, CancellationToken cancel) => Task.FromResult(name ?? archivePath);

    public Task<JsonNode?> ControlAsync(string verb, IReadOnlyList<string> arguments, CancellationToken cancel) =>
        throw new NodeException($"the pretended node has no verb {verb}");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static Process Start(ProcessStartInfo start, PodKey pod)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new NodeException($"exec in {pod}: \"{start.FileName}\": {e.Message}", e);
        }
    }

    private static async Task CopyInputAsync(Stream? stdin, Process process, CancellationToken cancel)
    {
        if (stdin is not null)
        {
            var buffer = new byte[4096];
            while (await stdin.ReadAsync(buffer, cancel).ConfigureAwait(false) is var n and > 0)
            {
                await process.StandardInput.BaseStream.WriteAsync(buffer.AsMemory(0, n), cancel).ConfigureAwait(false);
                await process.StandardInput.BaseStream.FlushAsync(cancel).ConfigureAwait(false);
            }
        }
        process.StandardInput.Close();
    }

    private void Report(PodKey key, JsonObject pod, int number)
    {
        var now = DateTime.UtcNow;
        ContainerReport[] containers =
        [
            .. pod.Each("spec", "containers").Select(c => new ContainerReport(c.Str("name") ?? "", c.Str("image") ?? "", "pretended", $"practice://{key.Uid}",
                !(c.Str("image") ?? "").Contains(UnreadyImage, StringComparison.Ordinal), true, 0, new ContainerState(ContainerPhase.Running, StartedAt: now), null)),
        ];
        listener.PodStatus(key, new PodReport("Running", null, null,
            [new IPAddress([10, 244, (byte)(number >> 8), (byte)number]), IPAddress.Parse($"fd00:10:244::{number:x}")], now, [], containers));
    }
}
