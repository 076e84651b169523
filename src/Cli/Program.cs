using System.Globalization;

using Telepresence.Cli.Commands;
using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;
using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli;

/// <summary>Where the process begins.</summary>
internal static class Program
{
    // What people and scripts call often is answered without building the tree of verbs: that alone costs as much as the rest.
    private static int Main(string[] arguments)
    {
        // Kept from here on: a daemon starts this program again later, when another version may have taken its place.
        _ = Environment.ProcessPath;
        switch (arguments)
        {
            case ["--version"]:
                Console.Out.WriteLine(ProductVersion.Text);
                return ExitCode.Success;
            case ["status"]:
                return Status(json: false);
            case ["status", "--output", "json"] or ["status", "--output=json"]:
                return Status(json: true);
            case ["daemon-root"]:
                return RootDaemon.RunAsync().GetAwaiter().GetResult();
            case ["daemon-root", "--undo"]:
                return RootDaemon.UndoAsync().GetAwaiter().GetResult();
            case ["daemon-user", "--channel", string channel, "--directory", string directory] when int.TryParse(channel, CultureInfo.InvariantCulture, out int number):
                return UserDaemon.RunAsync(number, directory).GetAwaiter().GetResult();
            case ["daemon-user", "--undo"]:
                return UserDaemon.UndoAsync().GetAwaiter().GetResult();
            case ["daemon-namespace", "--channel", string channel, "--error", string error, .. string[] rest] when int.TryParse(channel, CultureInfo.InvariantCulture, out int number) && int.TryParse(error, CultureInfo.InvariantCulture, out int stream):
                return HolderProcess.RunAsync(number, stream, rest).GetAwaiter().GetResult();
            case ["session-undo", "--all"]:
                return SessionJournals.UndoAllCommandAsync().GetAwaiter().GetResult();
            case ["session-undo", "--journal", string journal]:
                return SessionJournals.UndoCommandAsync(journal).GetAwaiter().GetResult();
            default:
                return Tree(arguments);
        }
    }

    private static int Status(bool json) =>
        VerbRunner.RunAsync("status", json: false, outputIsTaken: false, _ => StatusCommand.RunAsync(json, Console.Out)).GetAwaiter().GetResult();

    private static int Tree(string[] arguments) => CommandTree.RunAsync(arguments).GetAwaiter().GetResult();
}
