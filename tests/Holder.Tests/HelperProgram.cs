using Telepresence.Holder.Tests.World;

namespace Telepresence.Holder.Tests;

/// <summary>
/// The test assembly is a program as well: what must live in namespaces of its own, or as another user, is started as
/// <c>dotnet Holder.Tests.dll VERB …</c>.
/// </summary>
internal static class HelperProgram
{
    private static Task<int> Main(string[] arguments) => arguments switch
    {
        ["pod", string directory] => PodHelper.RunAsync(directory),
        ["session", string directory, .. string[] command] => SessionHelper.RunAsync(directory, command),
        ["join", string directory, .. string[] command] => Task.FromResult(JoinHelper.Run(directory, command)),
        ["drop"] => Task.FromResult(DropHelper.Run()),
        _ => throw new ArgumentException($"no such helper: {string.Join(' ', arguments)}"),
    };
}
