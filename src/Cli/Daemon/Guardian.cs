using System.Diagnostics;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// Undoes a daemon's changes at once when it is killed in a way that it cannot answer (<c>kill -9</c>, out of memory).
/// </summary>
/// <remarks>
/// A shell that does nothing but wait on a pipe whose other end the daemon holds: a megabyte of memory and no code of ours to crash.
/// When the pipe ends without the word that all is undone, the shell becomes this program with <c>--undo</c>, which takes the changes
/// back from the journal. Should the guardian be killed too, the next start does the same.
/// </remarks>
internal sealed class Guardian : IDisposable
{
    // In a terminal's foreground group, its keys are meant for others.
    private const string Script = """trap '' INT QUIT HUP TSTP; read -r done || exec "$@" """;

    private readonly Process _shell;

    private Guardian(Process shell) => _shell = shell;

    /// <summary>Starts a guardian for this process.</summary>
    /// <param name="arguments">This program's arguments for undoing.</param>
    internal static Guardian Start(params string[] arguments)
    {
        (string program, string[] line) = Line(arguments);
        return Start(new ProcessStartInfo(program, line));
    }

    /// <summary>Starts a guardian that undoes as a user, with that user's environment.</summary>
    /// <param name="user">Whose.</param>
    /// <param name="arguments">This program's arguments for undoing.</param>
    internal static Guardian Start(InvokingUser user, params string[] arguments)
    {
        (string program, string[] line) = Line(arguments);
        return Start(user.StartInfo(program, line));
    }

    private static (string Program, string[] Line) Line(string[] arguments)
    {
        (string program, string[] rest) = SelfProgram.Command(arguments);
        return ("/bin/sh", ["-c", Script, "telepresence-guardian", program, .. rest]);
    }

    private static Guardian Start(ProcessStartInfo start)
    {
        start.RedirectStandardInput = true;
        return new Guardian(Process.Start(start)!);
    }

    /// <summary>Lets the guardian go, because nothing is left for it to do. Disposed without this, it undoes.</summary>
    internal void Release()
    {
        try
        {
            _shell.StandardInput.Write("done\n");
            _shell.StandardInput.Close();
            _shell.WaitForExit(TimeSpan.FromSeconds(1));
        }
        catch (IOException)
        {
            // Somebody killed the guardian first.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _shell.Dispose();
}
