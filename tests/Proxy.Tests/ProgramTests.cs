using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

using Telepresence.Tunnel.Tests.Forward;

namespace Telepresence.Proxy.Tests;

/// <summary>The program as the pod runs it.</summary>
public sealed partial class ProgramTests
{
    [Fact]
    public async Task It_gets_ready_serves_and_ends_with_zero_after_a_goodbye_when_asked_to()
    {
        using ReservedPort port = new();
        Assert.NotEqual(0, await RunAsync(port.Number, "--ready"));
        using Process proxy = Start(port.Number);
        UntilReady(port.Number, proxy);
        using ProxyClient client = new();
        client.Link(port.Number);
        Assert.Equal(0, kill(proxy.Id, 15));
        client.Turns.Until(() => client.Events.Ended is not null);
        Assert.Contains("the proxy pod is being stopped", client.Events.Ended, StringComparison.Ordinal);
        string log = await proxy.StandardOutput.ReadToEndAsync();
        await proxy.WaitForExitAsync();
        Assert.Equal(0, proxy.ExitCode);
        Assert.Contains($"listening on loopback port {port.Number}", log, StringComparison.Ordinal);
        Assert.Contains("established, client 1.0.0", log, StringComparison.Ordinal);
        Assert.Contains("stopped", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_keys_hash_that_cannot_be_one_is_named()
    {
        using Process proxy = Start(1, keyHash: "abc");
        string complaint = await proxy.StandardError.ReadToEndAsync();
        await proxy.WaitForExitAsync();
        Assert.Equal(1, proxy.ExitCode);
        Assert.StartsWith("telepresence-proxy: TELEPRESENCE_KEY_HASH must be the SHA-256", complaint, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", complaint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named()
    {
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        using Process proxy = Start((ushort)port);
        string complaint = await proxy.StandardError.ReadToEndAsync();
        await proxy.WaitForExitAsync();
        Assert.Equal(1, proxy.ExitCode);
        Assert.Contains($"127.0.0.1:{port}", complaint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_knows_its_version_and_no_other_argument()
    {
        using Process version = Start(1, arguments: "--version");
        Assert.Equal("1.0.0", (await version.StandardOutput.ReadToEndAsync()).Trim());
        Assert.Equal(2, await RunAsync(1, "--help-me"));
    }

    internal static void UntilReady(ushort port, Process proxy)
    {
        int exitCode;
        do
        {
            Assert.False(proxy.HasExited);
            using Process probe = Start(port, arguments: "--ready");
            probe.WaitForExit();
            exitCode = probe.ExitCode;
        }
        while (exitCode != 0);
    }

    private static async Task<int> RunAsync(ushort port, string arguments)
    {
        using Process process = Start(port, arguments: arguments);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    internal static Process Start(ushort port, string? keyHash = null, string arguments = "")
    {
        ProcessStartInfo start = new(Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(typeof(ProxyHost).Assembly.Location);
        if (arguments.Length > 0)
            start.ArgumentList.Add(arguments);
        start.Environment[ProxySettings.PortVariable] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment[ProxySettings.KeyHashVariable] = keyHash ?? ProxyClient.KeyHash;
        return Process.Start(start)!;
    }

    [LibraryImport("libc")]
    private static partial int kill(int pid, int signal);
}
