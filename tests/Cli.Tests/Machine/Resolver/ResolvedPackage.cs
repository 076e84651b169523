using System.Diagnostics;

namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>
/// systemd-resolved as Debian packs it, unpacked into a directory: installing it would hand this machine's resolv.conf to it. Where it is
/// installed anyway, that one is used.
/// </summary>
internal static class ResolvedPackage
{
    private const string Package = "systemd-resolved";

    private static readonly Lazy<(string Daemon, string ToolDirectory)> Located = new(Locate);

    internal static string Daemon => Located.Value.Daemon;

    /// <summary>Directory of resolvectl.</summary>
    internal static string ToolDirectory => Located.Value.ToolDirectory;

    private static (string, string) Locate()
    {
        if (File.Exists("/lib/systemd/systemd-resolved") && File.Exists("/usr/bin/resolvectl"))
            return ("/lib/systemd/systemd-resolved", "/usr/bin");
        string directory = Path.Combine(AppContext.BaseDirectory, Package);
        string daemon = Path.Combine(directory, "lib/systemd/systemd-resolved");
        if (!File.Exists(daemon))
        {
            // Unpacked aside and moved, so that an interrupted run leaves nothing that looks whole.
            string aside = $"{directory}.{Environment.ProcessId}";
            Directory.CreateDirectory(aside);
            Run(aside, "apt-get", "-q", "download", Package);
            Run(aside, "dpkg-deb", "-x", Directory.GetFiles(aside, "*.deb").Single(), "root");
            Directory.Move(Path.Combine(aside, "root"), directory);
            Directory.Delete(aside, recursive: true);
        }

        return (daemon, Path.Combine(directory, "usr/bin"));
    }

    private static void Run(string directory, string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = directory, RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error.Result}");
    }
}
