using System.Diagnostics;

using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Tests.Launch;

public sealed class LoaderVariablesTests
{
    private static readonly Dictionary<string, string> Variables = new() { ["LD_LIBRARY_PATH"] = "/opt/my libs", ["GCONV_PATH"] = "it's $x", ["HOME"] = "/home/jane" };

    [Fact]
    public void Where_no_rights_are_given_up_all_stays_as_it_is()
    {
        (IReadOnlyDictionary<string, string> variables, IReadOnlyList<string> line) = LoaderVariables.SetAside(Variables, needed: false);
        Assert.Same(Variables, variables);
        Assert.Empty(line);
    }

    [Fact]
    public async Task The_command_gets_them_and_what_comes_before_it_does_not()
    {
        (IReadOnlyDictionary<string, string> variables, IReadOnlyList<string> line) = LoaderVariables.SetAside(Variables, needed: true);
        Assert.DoesNotContain(variables.Keys, LoaderVariables.Is);
        Assert.Equal("/home/jane", variables["HOME"]);
        ProcessStartInfo start = new(line[0], [.. line.Skip(1), "/usr/bin/env"]) { RedirectStandardOutput = true };
        start.Environment.Clear();
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        string[] seen = (await process.StandardOutput.ReadToEndAsync()).Split('\n');
        foreach ((string name, string value) in Variables)
            Assert.Contains($"{name}={value}", seen);
        Assert.DoesNotContain(seen, static entry => entry.StartsWith("TELEPRESENCE_", StringComparison.Ordinal));
    }
}
