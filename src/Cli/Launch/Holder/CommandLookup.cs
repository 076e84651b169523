namespace Telepresence.Cli.Launch.Holder;

/// <summary>Whether a command is there to be started; exec(3) would find the same, but say less.</summary>
internal static class CommandLookup
{
    private const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>What is wrong with a command, or null.</summary>
    internal static UserError? Check(LaunchSpec spec)
    {
        if (spec.Command.Count == 0 || spec.Command[0].Length == 0)
            return new UserError(ExitCode.BadArguments, "There is no command to run.");
        string program = spec.Command[0];
        string directory = spec.Directory ?? Environment.CurrentDirectory;
        if (program.Contains('/', StringComparison.Ordinal))
            return CheckFile(program, Path.Combine(directory, program));
        string path = spec.Environment.GetValueOrDefault("PATH") ?? "/usr/local/bin:/bin:/usr/bin";
        UserError? denied = null;
        foreach (string entry in path.Split(':'))
        {
            UserError? error = CheckFile(program, Path.Combine(directory, entry, program));
            if (error is null)
                return null;
            if (error.ExitCode == ExitCode.CommandNotExecutable)
                denied ??= error;
        }

        return denied ?? new UserError(ExitCode.CommandNotFound, $"{program} was not found in PATH.");
    }

    private static UserError? CheckFile(string program, string file)
    {
        if (Directory.Exists(file))
            return new UserError(ExitCode.CommandNotExecutable, $"{program} is a directory.");
        if (!File.Exists(file))
            return new UserError(ExitCode.CommandNotFound, $"{program} does not exist.");
        return (File.GetUnixFileMode(file) & Executable) != 0 ? null : new UserError(ExitCode.CommandNotExecutable, $"{program} is not executable.");
    }
}
