using System.Collections.Concurrent;
using System.Runtime.InteropServices;

using Microsoft.Win32.SafeHandles;

namespace Telepresence.Preload.Tests.Harness;

/// <summary>
/// A network namespace that plays the cluster: what has its addresses there cannot be reached from the test's own namespace. Sockets belong
/// to the namespace of the thread that makes them, so one thread lives here and makes them for others.
/// </summary>
internal sealed partial class ClusterNamespace : IDisposable
{
    private const int CloneNewNet = 0x4000_0000;

    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;
    private SafeFileHandle? _handle;

    internal ClusterNamespace()
    {
        TaskCompletionSource ready = new();
        _thread = new Thread(() => Live(ready)) { IsBackground = true, Name = "cluster" };
        _thread.Start();
        ready.Task.GetAwaiter().GetResult();
    }

    /// <summary>A file that nsenter(1) takes.</summary>
    internal string Path => $"/proc/{Environment.ProcessId}/fd/{_handle!.DangerousGetHandle()}";

    /// <summary>Moves the calling thread here for good.</summary>
    internal void Enter()
    {
        if (setns((int)_handle!.DangerousGetHandle(), CloneNewNet) != 0)
            throw new IOException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Runs something here.</summary>
    internal T Run<T>(Func<T> work)
    {
        TaskCompletionSource<T> result = new();
        _work.Add(() =>
        {
            try
            {
                result.SetResult(work());
            }
            catch (Exception fault)
            {
                result.SetException(fault);
            }
        });
        return result.Task.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _handle?.Dispose();
        _work.Dispose();
    }

    private void Live(TaskCompletionSource ready)
    {
        try
        {
            if (unshare(CloneNewNet) != 0)
                throw new IOException($"unshare: {Marshal.GetLastPInvokeErrorMessage()}");
            _handle = File.OpenHandle("/proc/thread-self/ns/net");
            ready.SetResult();
        }
        catch (IOException fault)
        {
            ready.SetException(fault);
            return;
        }

        foreach (Action work in _work.GetConsumingEnumerable())
            work();
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int type);
}
