namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Variables by which a program's loader and C library run code or read files of somebody's choice. The command may have them, whether they
/// are the user's own or the pod's; the tool that gives up root on the way to it may not.
/// </summary>
internal static class LoaderVariables
{
    private const string Aside = "TELEPRESENCE_ASIDE_";

    // Those that glibc ignores in setuid programs, ld.so(8), and that are not LD_… or MALLOC_…; LANGUAGE may lead to any file of messages.
    private static readonly HashSet<string> Others = ["GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LANGUAGE", "LOCPATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR", "ENV"];

    /// <summary>Whether a variable is one of them.</summary>
    internal static bool Is(string name) =>
        name.StartsWith("LD_", StringComparison.Ordinal) || name.StartsWith("MALLOC_", StringComparison.Ordinal) || Others.Contains(name);

    /// <summary>Gives them other names until a shell, which runs as the user already, gives them back.</summary>
    /// <param name="variables">The command's environment.</param>
    /// <param name="needed">Whether there is root to give up.</param>
    /// <returns>The environment to start with, and what stands before the command on its line.</returns>
    internal static (IReadOnlyDictionary<string, string> Variables, IReadOnlyList<string> Line) SetAside(IReadOnlyDictionary<string, string> variables, bool needed)
    {
        // A name that a shell cannot have is none that a loader reads.
        string[] names = [.. variables.Keys.Where(static name => Is(name) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'))];
        if (!needed || names.Length == 0)
            return (variables, []);
        Dictionary<string, string> renamed = variables.ToDictionary(variable => names.Contains(variable.Key) ? Aside + variable.Key : variable.Key, static variable => variable.Value, StringComparer.Ordinal);
        string script = string.Concat(names.Select(static name => $"{name}=${Aside}{name}; export {name}; unset {Aside}{name}; ")) + """exec "$@" """;
        return (renamed, ["/bin/sh", "-c", script, "sh"]);
    }
}
