namespace Telepresence.Preload.Tests.Harness;

/// <summary>Builds the shim in its three forms, and the programs that call its hooks, with make(1): what is up to date is not built again.</summary>
internal static class Build
{
    private const string Name = "telepresence-preload.so";

    internal static string Repository { get; } = FindRepository();

    /// <summary>The shim as it is installed.</summary>
    internal static string Library => Path.Combine(Output, "shim", Name);

    /// <summary>The shim made with musl's headers.</summary>
    internal static string MuslLibrary => Path.Combine(Output, "shim", "musl", Name);

    /// <summary>The shim with sanitizers.</summary>
    internal static string SanitizedLibrary => Path.Combine(Output, "shim", "sanitize", Name);

    /// <summary>The programs: glibc, musl and static below it.</summary>
    internal static string Programs => Path.Combine(Output, "programs");

    private static string Output => Path.Combine(Repository, "out", "preload-tests");

    internal static async Task AllAsync()
    {
        await Shell.MustAsync("make", "-s", "-j2", "-C", Path.Combine(Repository, "native", "preload"), $"OUT={Output}/shim", "all", "musl", "sanitize");
        await Shell.MustAsync("make", "-s", "-j2", "-C", Path.Combine(Repository, "tests", "Preload.Tests", "Programs"), $"OUT={Programs}");
    }

    private static string FindRepository()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Telepresence.sln")))
            directory = Path.GetDirectoryName(directory);
        return directory ?? throw new InvalidOperationException($"No Telepresence.sln above {AppContext.BaseDirectory}.");
    }
}
