using System.Diagnostics;

namespace Telepresence.EndToEnd.Tree.Matrix;

/// <summary>Builds the programs of the matrix that no Debian package brings.</summary>
/// <param name="directory">Where to.</param>
internal sealed class ProgramBuilder(string directory)
{
    private static readonly string Sources = Path.Combine(AppContext.BaseDirectory, "Tree/Programs");

    /// <summary>Builds them.</summary>
    /// <returns>The directory.</returns>
    internal async Task<string> BuildAsync()
    {
        Dictionary<string, string> go = new() { ["GO111MODULE"] = "off", ["GOCACHE"] = Path.Combine(directory, "go-cache"), ["GOPATH"] = Path.Combine(directory, "go"), ["GOFLAGS"] = "" };
        await RunAsync("gcc", go, "-O", "-o", At("fetch-setuid"), Source("fetch.c"));
        await RunAsync("chmod", go, "4755", At("fetch-setuid"));
        await RunAsync("musl-gcc", go, "-O", "-o", At("fetch-musl"), Source("fetch.c"));
        await RunAsync("musl-gcc", go, "-O", "-static", "-o", At("fetch-static"), Source("fetch.c"));
        await RunAsync("go", new Dictionary<string, string>(go) { ["CGO_ENABLED"] = "0" }, "build", "-o", At("fetch-go"), Source("fetch.go"));
        await RunAsync("go", new Dictionary<string, string>(go) { ["CGO_ENABLED"] = "1" }, "build", "-tags", "netcgo", "-o", At("fetch-go-cgo"), Source("fetch.go"));
        Directory.Delete(go["GOCACHE"], recursive: true);
        File.Copy(Source("Fetch.java"), At("Fetch.java"));
        foreach (string file in (string[])["EndToEnd.dll", "EndToEnd.runtimeconfig.json"])
            File.Copy(Path.Combine(AppContext.BaseDirectory, file), At(file));
        return directory;
    }

    private string At(string name) => Path.Combine(directory, name);

    private static string Source(string name) => Path.Combine(Sources, name);

    private static async Task RunAsync(string file, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        ProcessStartInfo start = new(file, arguments) { RedirectStandardError = true };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        string error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{file} {string.Join(' ', arguments)}: {error}");
    }
}
