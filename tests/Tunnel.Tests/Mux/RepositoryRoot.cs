namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>Finds files that lie beside the sources.</summary>
internal static class RepositoryRoot
{
    internal static string Path { get; } = Find();

    private static string Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "Telepresence.sln")))
            folder = System.IO.Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("The repository's root was not found above the tests.");
    }
}
