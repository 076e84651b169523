using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Commands;

/// <summary>Runs a verb and turns whatever goes wrong into one sentence and an exit code.</summary>
internal static class VerbRunner
{
    /// <summary>Runs it.</summary>
    /// <param name="verb">Its name.</param>
    /// <param name="json">Whether its text goes into a JSON object.</param>
    /// <param name="outputIsTaken">Whether standard output belongs to the user's own command.</param>
    /// <param name="run">The verb.</param>
    /// <returns>The exit code.</returns>
    internal static async Task<int> RunAsync(string verb, bool json, bool outputIsTaken, Func<Terminal, Task<int>> run)
    {
        Terminal terminal = new(verb, json, Console.Out, Console.Error) { OutputIsTaken = outputIsTaken };
        int exitCode;
        try
        {
            exitCode = await run(terminal);
        }
        catch (UserError error)
        {
            terminal.Fail(error.Message);
            exitCode = error.ExitCode;
        }
        catch (Exception fault)
        {
            // The one catch-all of the front end: a bug, or something that nobody thought of. The trace goes to a file.
            using FileLog log = FileLog.Open(DaemonPaths.FrontEndLog, verbose: false);
            log.Write($"bug in {verb}: {fault}");
            terminal.Fail($"a bug in telepresence ({fault.Message}); please report it with the log {log.Path}.");
            exitCode = ExitCode.Internal;
        }

        terminal.Finish();
        return exitCode;
    }
}
