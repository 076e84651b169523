using System.Runtime.InteropServices;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>The environment of programs that run as root for a session that sudo has started: nothing in it is the user's.</summary>
internal static class RootEnvironment
{
    private const string RuntimeRoot = "DOTNET_ROOT";

    /// <summary>All variables.</summary>
    internal static IReadOnlyDictionary<string, string> Make() => Make(Environment.GetEnvironmentVariable(RuntimeRoot), RuntimeEnvironment.GetRuntimeDirectory());

    /// <summary>The same from given facts.</summary>
    /// <param name="runtimeRoot">This process's DOTNET_ROOT.</param>
    /// <param name="runtime">The directory of the runtime that runs this process.</param>
    internal static IReadOnlyDictionary<string, string> Make(string? runtimeRoot, string runtime)
    {
        Dictionary<string, string> variables = new(StringComparer.Ordinal) { ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin", ["LC_ALL"] = "C" };

        // The runtime that runs as root already may run as root again; where the user's variable leads elsewhere, that may not.
        if (runtimeRoot is { Length: > 0 } && Path.IsPathRooted(runtimeRoot) && runtime.StartsWith(Path.TrimEndingDirectorySeparator(runtimeRoot) + "/", StringComparison.Ordinal))
            variables[RuntimeRoot] = runtimeRoot;
        return variables;
    }
}
