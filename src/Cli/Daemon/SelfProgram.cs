namespace Telepresence.Cli.Daemon;

/// <summary>How to start this program again.</summary>
internal static class SelfProgram
{
    /// <summary>The program and what stands in front of its own arguments: nothing, or the assembly when the <c>dotnet</c> host runs it.</summary>
    internal static (string Program, string[] Arguments) Command(params string[] arguments)
    {
        string program = Environment.ProcessPath ?? throw new UserError(ExitCode.DaemonStart, "This program cannot find its own file; is /proc mounted?");
        return Path.GetFileName(program) == "dotnet"
            ? (program, [Path.Combine(AppContext.BaseDirectory, "telepresence.dll"), .. arguments])
            : (program, arguments);
    }
}
