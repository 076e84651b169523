using System.Diagnostics;

namespace Telepresence.PracticeCluster.Node;

/// <summary><c>laptop up|down|exec --state DIR [--name NAME] [-- COMMAND...]</c></summary>
internal static class LaptopCommand
{
    private const string Usage = "usage: laptop up|down|exec --state DIR [--name NAME] [-- COMMAND...]";

    internal static async Task<int> RunAsync(string[] arguments, CancellationToken cancel)
    {
        string? state = null;
        string name = "laptop";
        int i = 1;
        for (; i + 1 < arguments.Length && arguments[i] != "--"; i += 2)
        {
            if (arguments[i] == "--state")
                state = arguments[i + 1];
            else if (arguments[i] == "--name")
                name = arguments[i + 1];
            else
                break;
        }

        string[] command = i < arguments.Length && arguments[i] == "--" ? arguments[(i + 1)..] : arguments[i..];
        switch (arguments.FirstOrDefault())
        {
            case "up" when state is not null && command.Length == 0:
                LaptopNamespaces laptop = await LaptopNamespaces.UpAsync(state, name, detached: true, cancel);
                Console.WriteLine($"laptop {name} is up, pid {laptop.Pid}");
                return 0;
            case "down" when state is not null && command.Length == 0:
                await LaptopNamespaces.DownAsync(state, name, cancel);
                return 0;
            case "exec" when state is not null && command.Length > 0:
                string[] line = LaptopNamespaces.Enter(state, name, Environment.CurrentDirectory, command);
                // Ctrl-C reaches the command, being of the same terminal; its exit code is then this program's.
                Console.CancelKeyPress += (_, e) => e.Cancel = true;
                using (Process process = Process.Start(line[0], line[1..]))
                {
                    await process.WaitForExitAsync(cancel);
                    return process.ExitCode;
                }

            default:
                await Console.Error.WriteLineAsync(Usage);
                return 2;
        }
    }
}
