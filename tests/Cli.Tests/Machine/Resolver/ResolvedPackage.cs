namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>
/// systemd-resolved as Debian packs it, unpacked into a directory by <c>./dev test</c>: installing it would hand this machine's resolv.conf
/// to it. Where it is installed anyway, that one is used.
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
        string directory = Path.Combine(FindRepository(), "out/test-packages", Package);
        string daemon = Path.Combine(directory, "lib/systemd/systemd-resolved");
        return File.Exists(daemon)
            ? (daemon, Path.Combine(directory, "usr/bin"))
            : throw new InvalidOperationException($"{daemon} is missing; ./dev test unpacks the Debian package {Package} there.");
    }

    private static string FindRepository()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Telepresence.sln")))
            directory = Path.GetDirectoryName(directory);
        return directory ?? throw new InvalidOperationException($"No Telepresence.sln above {AppContext.BaseDirectory}.");
    }
}
