using System.Diagnostics;
using System.Text;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// One running <c>kubectl proxy</c> on a Unix socket: the way to the API server.
/// </summary>
/// <remarks>
/// kubectl keeps doing what it does best: kubeconfig, contexts, credential plugins, OIDC, TLS, HTTP proxies. It runs as the user,
/// its socket is in a directory that only this user can enter, and a small shell in front of it ends it when this process ends in
/// whatever way: the shell reads a pipe whose other end is held here, and the kernel closes that with the process.
/// </remarks>
internal sealed class KubectlProxy : IAsyncDisposable
{
    // $@ is kubectl with its arguments, in a session of its own so that its own children can be ended with it.
    // The terminal's keys are meant for others in its foreground.
    private const string Keeper = """
        trap '' INT QUIT HUP TSTP
        exec 3<&0
        setsid "$@" 3<&- </dev/null &
        kubectl=$!
        { read -r _ <&3; kill -s TERM -- "-$kubectl" || kill "$kubectl"; } >/dev/null 2>&1 &
        watcher=$!
        exec 3<&-
        wait "$kubectl"
        status=$?
        kill "$watcher" 2>/dev/null
        exit "$status"
        """;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly StringBuilder _error;

    private KubectlProxy(Process process, string socketPath, StringBuilder error)
    {
        _process = process;
        SocketPath = socketPath;
        _error = error;
    }

    /// <summary>Path of the Unix socket that it serves.</summary>
    internal string SocketPath { get; }

    /// <summary>Whether it has ended by itself.</summary>
    internal bool HasExited => _process.HasExited;

    /// <summary>The last of what it wrote to standard error: the only place where it says why a credential plugin failed.</summary>
    internal string ErrorText
    {
        get
        {
            lock (_error)
                return _error.ToString();
        }
    }

    /// <summary>Starts it and waits until it listens.</summary>
    /// <param name="user">Whose kubectl and configuration; this process must be that user or root.</param>
    /// <param name="kubeconfig">A file, or null for kubectl's own choice.</param>
    /// <param name="context">A context, or null for the current one.</param>
    /// <param name="directory">A directory that only the user can enter; the socket is made in it.</param>
    /// <param name="cancellation">Ends the wait and kubectl.</param>
    /// <exception cref="UserError">It ended or did not listen in time.</exception>
    internal static async Task<KubectlProxy> StartAsync(InvokingUser user, string? kubeconfig, string? context, string directory, CancellationToken cancellation)
    {
        string socket = Path.Combine(directory, $"kube-{Guid.NewGuid().ToString("N")[..12]}.sock");
        List<string> arguments = ["-c", Keeper, "kubectl-keeper", KubeTarget.Kubectl(user), "proxy", $"--unix-socket={socket}", "--keepalive=30s"];
        KubeTarget.AddSelection(arguments, kubeconfig, context);
        ProcessStartInfo start = user.StartInfo("/bin/sh", arguments);
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        Process process = KubeTarget.Start(start);
        StringBuilder error = new();
        TaskCompletionSource errorEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        process.ErrorDataReceived += (_, received) =>
        {
            if (received.Data is null)
            {
                errorEnded.TrySetResult();
                return;
            }

            lock (error)
            {
                const int keep = 8192;
                error.AppendLine(received.Data);
                if (error.Length > keep)
                    error.Remove(0, error.Length - keep);
            }
        };
        process.BeginErrorReadLine();
        KubectlProxy proxy = new(process, socket, error);
        try
        {
            // "Starting to serve on …" is printed behind listen(2).
            string? line = await process.StandardOutput.ReadLineAsync(cancellation).AsTask().WaitAsync(StartLimit, cancellation);
            if (line is not null)
                return proxy;
            await errorEnded.Task.WaitAsync(StartLimit, cancellation);
            throw KubectlFailure.Explain(proxy.ErrorText, KubeTarget.Source(user, kubeconfig), context);
        }
        catch (TimeoutException fault)
        {
            await proxy.DisposeAsync();
            throw new UserError(ExitCode.KubectlMissing, $"kubectl proxy did not start within {StartLimit.TotalSeconds:0} seconds; check that kubectl get pods works in this terminal.", fault);
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends kubectl and removes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            try
            {
                await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(2));
            }
            catch (TimeoutException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }

        _process.StandardOutput.Dispose();
        _process.Dispose();

        // The directory may have gone with everything else.
        if (File.Exists(SocketPath))
            File.Delete(SocketPath);
    }
}
