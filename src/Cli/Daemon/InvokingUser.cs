using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// The person who typed the command: under sudo not root but who called sudo, with the environment as it was before sudo cleaned it.
/// </summary>
/// <remarks>
/// kubectl needs it whole: <c>KUBECONFIG</c> and <c>HOME</c> to find the configuration, <c>PATH</c> to find credential plugins, and what
/// those read (<c>AWS_PROFILE</c>, <c>CLOUDSDK_…</c>, proxies). sudo removes nearly all of it, but the sudo process itself still has it
/// in <c>/proc/PID/environ</c>, which root may read. It is used for nothing that runs as root.
/// </remarks>
/// <param name="Uid">User id.</param>
/// <param name="Gid">Primary group; the others come from the group database when a process is started.</param>
/// <param name="Name">Login name.</param>
/// <param name="Home">Home directory, from the user database.</param>
/// <param name="Environment">All variables.</param>
internal sealed record InvokingUser(uint Uid, uint Gid, string Name, string Home, IReadOnlyDictionary<string, string> Environment)
{
    private const int MaxAncestors = 16;

    /// <summary>Finds out who called this process.</summary>
    internal static InvokingUser Resolve() =>
        Resolve(Posix.geteuid(), Posix.getegid(), CurrentEnvironment(), Posix.FindUser, static () => SudoEnvironment(Posix.getppid()));

    /// <summary>The same from given facts.</summary>
    /// <param name="uid">Effective user id of this process.</param>
    /// <param name="gid">Effective group id of this process.</param>
    /// <param name="environment">Environment of this process.</param>
    /// <param name="findUser">The user database.</param>
    /// <param name="sudoEnvironment">The environment of the sudo that started this process, or null when there is none to be read.</param>
    internal static InvokingUser Resolve(
        uint uid,
        uint gid,
        IReadOnlyDictionary<string, string> environment,
        Func<uint, Posix.UserEntry?> findUser,
        Func<IReadOnlyDictionary<string, string>?> sudoEnvironment)
    {
        if (uid != 0 || !environment.TryGetValue("SUDO_UID", out string? text) || !uint.TryParse(text, CultureInfo.InvariantCulture, out uint sudoUid))
        {
            Posix.UserEntry? self = findUser(uid);
            string home = environment.GetValueOrDefault("HOME") ?? self?.Home ?? "/";
            return new InvokingUser(uid, gid, self?.Name ?? uid.ToString(CultureInfo.InvariantCulture), home, environment);
        }

        Posix.UserEntry user = findUser(sudoUid)
            ?? throw new UserError(ExitCode.NotRoot, $"SUDO_UID names user {sudoUid}, whom this machine does not know; run sudo from a login of an existing user.");
        Dictionary<string, string> variables = new(sudoEnvironment() ?? WithoutSudo(environment), StringComparer.Ordinal)
        {
            ["HOME"] = user.Home,
            ["USER"] = user.Name,
            ["LOGNAME"] = user.Name,
        };

        // Given on sudo's own command line ("sudo KUBECONFIG=x telepresence …") or kept by its policy: that is the newer word.
        foreach (string name in (ReadOnlySpan<string>)["KUBECONFIG", "TELEPRESENCE_REGISTRY", "TELEPRESENCE_VERSION", "TELEPRESENCE_IMAGE", "DOTNET_ROOT"])
        {
            if (environment.TryGetValue(name, out string? value))
                variables[name] = value;
        }

        return new InvokingUser(user.Uid, user.Gid, user.Name, user.Home, variables);
    }

    /// <summary>The full path of a program in the user's own PATH, or null.</summary>
    internal string? FindProgram(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
            return File.Exists(name) ? Path.GetFullPath(name) : null;
        string path = Environment.GetValueOrDefault("PATH") ?? "/usr/local/bin:/usr/bin:/bin";
        foreach (string directory in path.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = Path.Combine(directory, name);
            const UnixFileMode executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
            if (File.Exists(candidate) && (File.GetUnixFileMode(candidate) & executable) != 0)
                return candidate;
        }

        return null;
    }

    /// <summary>How to start <paramref name="program"/> as this user, with this user's groups and environment.</summary>
    internal ProcessStartInfo StartInfo(string program, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { UseShellExecute = false };
        start.Environment.Clear();
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;
        if (Uid != Posix.geteuid())
            start.UserName = Name;
        return start;
    }

    /// <summary>Without the variables: they may hold secrets, and this text may reach a log.</summary>
    public override string ToString() => $"{Name} (uid {Uid})";

    /// <summary>This process's environment.</summary>
    internal static IReadOnlyDictionary<string, string> CurrentEnvironment()
    {
        Dictionary<string, string> variables = new(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        return variables;
    }

    /// <summary>Reads the environment block of <c>/proc/PID/environ</c>.</summary>
    internal static IReadOnlyDictionary<string, string> ParseEnvironment(ReadOnlySpan<byte> block)
    {
        Dictionary<string, string> variables = new(StringComparer.Ordinal);
        foreach (Range range in block.Split((byte)0))
        {
            string entry = Encoding.UTF8.GetString(block[range]);
            int equals = entry.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
                variables[entry[..equals]] = entry[(equals + 1)..];
        }

        return variables;
    }

    private static Dictionary<string, string> WithoutSudo(IReadOnlyDictionary<string, string> environment) =>
        environment.Where(static variable => !variable.Key.StartsWith("SUDO_", StringComparison.Ordinal)).ToDictionary(StringComparer.Ordinal);

    // The nearest ancestor that is sudo: usually the parent, further up when a script stands between.
    private static IReadOnlyDictionary<string, string>? SudoEnvironment(int pid)
    {
        for (int i = 0; i < MaxAncestors && pid > 1; i++)
        {
            try
            {
                if (File.ReadAllText($"/proc/{pid}/comm").Trim() == "sudo")
                    return ParseEnvironment(File.ReadAllBytes($"/proc/{pid}/environ"));
                pid = ParentOf(File.ReadAllText($"/proc/{pid}/stat"));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // The ancestor is gone, or /proc is mounted with hidepid: do with what sudo left.
                return null;
            }
        }

        return null;
    }

    // Field 4 of stat; field 2, the name in parentheses, may itself hold spaces and parentheses.
    private static int ParentOf(string stat) =>
        int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
}
