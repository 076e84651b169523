namespace Telepresence.PracticeCluster.Node;

/// <summary>The command-line verbs that belong to the node rather than to a cluster: serve and laptop.</summary>
internal static class NodeVerbs
{
    /// <returns>The exit code, or null when the first word is none of these verbs.</returns>
    internal static async Task<int?> TryRunAsync(string[] arguments, CancellationToken cancel)
    {
        try
        {
            return arguments.FirstOrDefault() switch
            {
                "serve" => await PracticeServer.RunAsync(arguments[1..], cancel),
                "laptop" => await LaptopCommand.RunAsync(arguments[1..], cancel),
                _ => null,
            };
        }
        catch (NodeException error)
        {
            await Console.Error.WriteLineAsync($"practice-cluster {arguments[0]}: {error.Message}");
            return 1;
        }
    }
}
