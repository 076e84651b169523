using System.Net;

using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Tests.Machine;

/// <summary>
/// <c>network JOURNAL</c> makes a TUN with routes to a cluster's networks of both families, says what it is called, and obeys <c>update</c>
/// and <c>undo</c> on its input.
/// </summary>
internal static class NetworkHelper
{
    internal static async Task<int> RunAsync(string path)
    {
        using Journal journal = Journal.OpenAt(path);
        MachineNetwork network = new(journal);
        NetworkRequest request = new() { Found = [IPNetwork.Parse("10.96.0.0/16"), IPNetwork.Parse("fd00:10:96::/112")], NeverProxy = [IPNetwork.Parse("10.96.0.7/32")] };
        NetworkResult made = await network.ConfigureAsync(request, CancellationToken.None);
        using (made.Tun)
        {
            Console.WriteLine($"{made.Interface} {string.Join(' ', made.Addresses)}");
            while (Console.ReadLine() is "update")
            {
                await network.UpdateAsync(request, CancellationToken.None);
                Console.WriteLine("updated");
            }

            Console.WriteLine(string.Join("; ", await journal.UndoAllAsync(CancellationToken.None)));
        }

        return 0;
    }
}
