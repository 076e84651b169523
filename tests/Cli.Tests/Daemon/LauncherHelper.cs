using System.Globalization;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Daemon;

/// <summary><c>launch-daemon</c> starts a root daemon and prints the command line of each further process that holds its standard error.</summary>
internal static class LauncherHelper
{
    internal static async Task<int> RunAsync()
    {
        await using ControlConnection connection = await DaemonLauncher.StartAsync(CancellationToken.None) ?? throw new IOException("it has ended");
        string pipe = File.ResolveLinkTarget("/proc/self/fd/2", returnFinalTarget: false)!.Name;
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(static path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out int id) && id != Environment.ProcessId))
        {
            if (Writes(process, pipe))
                Console.WriteLine($"{Path.GetFileName(process)} {File.ReadAllText($"{process}/cmdline").Replace('\0', ' ')}");
        }

        await connection.SendAsync(new Message { Kind = MessageKind.Quit }, CancellationToken.None);
        return (await connection.ReceiveAsync(CancellationToken.None))?.Kind == MessageKind.Disconnected ? 0 : 1;
    }

    // The reader at the other end, the test, has a descriptor of the same pipe.
    private static bool Writes(string process, string pipe)
    {
        try
        {
            return Directory.EnumerateFiles($"{process}/fd").Any(link =>
                File.ResolveLinkTarget(link, returnFinalTarget: false)?.Name == pipe
                && File.ReadLines($"{process}/fdinfo/{Path.GetFileName(link)}").Any(static line => line.StartsWith("flags:", StringComparison.Ordinal) && line.TrimEnd()[^1] is '1' or '2'));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile.
            return false;
        }
    }
}
