using System.Net;

using Telepresence.Cli.Machine;
using Telepresence.Cli.Machine.Resolver;

namespace Telepresence.Cli.Tests.Machine.Resolver;

/// <summary>
/// <c>hold JOURNAL INTERFACE SERVER [all]</c> configures the machine, says what it found, and obeys <c>check</c> and <c>undo</c> on its
/// input; <c>undo JOURNAL</c> is the next process after that one was killed.
/// </summary>
internal static class ResolverHelper
{
    internal static async Task<int> RunAsync(string[] arguments)
    {
        using Journal journal = Journal.OpenAt(arguments[1]);
        if (arguments[0] == "undo")
            return await UndoAsync(journal);
        MachineResolver resolver = new(journal, "/run/telepresence");
        ResolverRequest request = new()
        {
            Interface = arguments[2],
            Servers = [IPAddress.Parse(arguments[3])],
            Search = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            Zones = ["cluster.local", "96.10.in-addr.arpa"],
            Everything = arguments.Length > 4,
        };
        Say(await resolver.ConfigureAsync(request, CancellationToken.None));
        while (Console.ReadLine() is { } command)
        {
            if (command == "undo")
                return await UndoAsync(journal);
            if (await resolver.CheckAsync(CancellationToken.None) is { } changed)
                Say(changed);
            else
                Console.WriteLine("unchanged");
        }

        return 1;
    }

    private static async Task<int> UndoAsync(Journal journal)
    {
        IReadOnlyList<string> failures = await journal.UndoAllAsync(CancellationToken.None);
        Console.WriteLine(failures.Count == 0 ? "undone" : string.Join("; ", failures));
        return failures.Count;
    }

    private static void Say(ResolverSetup setup) =>
        Console.WriteLine($"{setup.Method}|{string.Join(',', setup.Upstreams)}|{string.Join(',', setup.Search)}|{string.Join(' ', setup.Notes)}");
}
