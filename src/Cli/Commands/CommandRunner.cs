using System.ComponentModel;
using System.Diagnostics;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary>Runs the user's own command, as the invoking user, with this process's terminal.</summary>
internal sealed class CommandRunner
{
    private readonly ProcessStartInfo _start;
    private Process? _process;

    private CommandRunner(ProcessStartInfo start) => _start = start;

    /// <summary>Whether it runs at this moment.</summary>
    internal bool IsRunning => _process is { HasExited: false };

    /// <summary>Looks for the program in the user's PATH, before anything is changed for its sake.</summary>
    /// <exception cref="UserError">There is none of that name.</exception>
    internal static CommandRunner Find(InvokingUser user, IReadOnlyList<string> command)
    {
        string program = user.FindProgram(command[0])
            ?? throw new UserError(ExitCode.CommandNotFound, $"{command[0]}: command not found; it must be in the PATH of {user.Name}.");
        return new CommandRunner(user.StartInfo(program, command.Skip(1)));
    }

    /// <summary>Runs it to its end.</summary>
    /// <returns>Its exit code; 128 and the signal's number when a signal ended it.</returns>
    internal async Task<int> RunAsync()
    {
        try
        {
            using Process process = Process.Start(_start)!;
            _process = process;
            await process.WaitForExitAsync();
            _process = null;
            return process.ExitCode;
        }
        catch (Win32Exception fault)
        {
            throw new UserError(ExitCode.CommandNotFound, $"{_start.FileName} could not be started: {fault.Message}.", fault);
        }
    }

    /// <summary>Asks it to end.</summary>
    internal void Terminate()
    {
        if (_process is { HasExited: false } process)
            _ = Posix.kill(process.Id, Posix.SIGTERM);
    }
}
