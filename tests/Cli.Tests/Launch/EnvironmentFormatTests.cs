using System.Diagnostics;
using System.Text.Json.Nodes;

using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Tests.Launch;

public sealed class EnvironmentFormatTests
{
    private static readonly Dictionary<string, string> Variables = new()
    {
        ["PLAIN"] = "value",
        ["LINES"] = "first\nsecond line\n\n",
        ["QUOTES"] = """it's "quoted" $HOME `id` \n *""",
        ["EMPTY"] = "",
        ["UNICODE"] = "grüße 🚀",
        ["dotted.name"] = "x",
    };

    [Fact]
    public async Task A_shell_reads_every_value_as_it_was()
    {
        string script = EnvironmentFormat.Format("sh", Variables, out IReadOnlyList<string> left);
        Assert.Equal(["dotted.name"], left);
        foreach ((string name, string value) in Variables.Where(static variable => !variable.Key.Contains('.', StringComparison.Ordinal)))
        {
            using Process shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"{script}printf '%s.' \"${name}\""]) { RedirectStandardOutput = true })!;
            Assert.Equal(value + ".", await shell.StandardOutput.ReadToEndAsync());
        }
    }

    [Fact]
    public void Json_holds_everything()
    {
        string json = EnvironmentFormat.Format("json", Variables, out IReadOnlyList<string> left);
        Assert.Empty(left);
        Assert.Equal(Variables, Read(JsonNode.Parse(json)!));
    }

    [Fact]
    public void An_editor_finds_it_under_env() =>
        Assert.Equal(Variables, Read(JsonNode.Parse(EnvironmentFormat.Format("vscode", Variables, out _))!["env"]!));

    [Fact]
    public void Docker_gets_one_line_for_each_and_hears_what_is_left_out()
    {
        string file = EnvironmentFormat.Format("docker", Variables, out IReadOnlyList<string> left);
        Assert.Equal(["LINES"], left);
        Assert.Contains("QUOTES=it's \"quoted\" $HOME `id` \\n *\n", file, StringComparison.Ordinal);
        Assert.Contains("EMPTY=\n", file, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Read(JsonNode node) =>
        node.AsObject().ToDictionary(static property => property.Key, static property => (string)property.Value!);
}
