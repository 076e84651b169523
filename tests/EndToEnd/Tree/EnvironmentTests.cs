using System.Text.Json.Nodes;

namespace Telepresence.EndToEnd.Tree;

/// <summary>The pod's environment, inside and in the forms that other tools take.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class EnvironmentTests(PracticeClusterFixture cluster)
{
    private static readonly Dictionary<string, string> Declared = new(StringComparer.Ordinal)
    {
        ["MYENV"] = "hello",
        ["MULTI_LINE"] = "one\ntwo\n\nfour",
        ["QUOTED"] = "it's \"quoted\", $HOME; `ls` \\ end",
        ["EMPTY"] = "",
        ["EXPANDED"] = "hello, world",
        ["MY_TIER"] = "backend",
        ["MY_MEMORY"] = "192",
        ["ONE_KEY"] = "blue",
        ["colour"] = "blue",
        ["FROM_CONFIGMAP"] = "from the config map",
        ["FROM_SECRET"] = "p4ssw0rd 'with' \"quotes\" and $dollar",
        ["FROM_SECRET_TWO_LINES"] = "first\nsecond",
    };

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Inside_are_the_container_s_declared_variables_and_nothing_of_its_image(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        Dictionary<string, string> variables = (await inside.RunAsync("env -0")).Good().Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => line.Split('=', 2)).ToDictionary(static pair => pair[0], static pair => pair[1]);
        foreach ((string name, string value) in Declared)
            Assert.Equal(value, variables.GetValueOrDefault(name, $"{name} is missing"));
        Assert.Equal(await cluster.PodAddressAsync(PracticeClusterFixture.Tree, PracticeClusterFixture.SharedName(way)), variables["MY_POD_IP"]);
        Assert.StartsWith(PracticeClusterFixture.SharedName(way) + "-", variables["TELEPRESENCE_POD"], StringComparison.Ordinal);
        Assert.Equal("app", variables["TELEPRESENCE_CONTAINER"]);
        Assert.Equal("10.96.0.1", variables["KUBERNETES_SERVICE_HOST"]);
        Assert.Equal(inside.User.Home, variables["HOME"]);
        Assert.Equal("laptop", (await inside.RunAsync("hostname")).Good());
        Assert.Contains(Path.GetDirectoryName(PracticeClusterFixture.Program)!, variables["PATH"], StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task The_JSON_file_has_all_of_it_and_the_docker_file_what_docker_can_read(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        JsonNode json = JsonNode.Parse(inside.User.Read(inside.User.At("env.json")))!;
        string[] docker = inside.User.Read(inside.User.At("env.docker")).Split('\n');
        foreach ((string name, string value) in Declared)
        {
            Assert.Equal(value, (string?)json[name]);
            if (value.Contains('\n', StringComparison.Ordinal))
                Assert.DoesNotContain(docker, line => line.StartsWith(name + "=", StringComparison.Ordinal));
            else
                Assert.Contains($"{name}={value}", docker);
        }

        Assert.Null(json["HOME"]);
        Assert.Contains("MULTI_LINE", inside.Said, StringComparison.Ordinal);
        Assert.Contains("FROM_SECRET_TWO_LINES", inside.Said, StringComparison.Ordinal);
        Assert.Equal($"600 {way.User()}", (await inside.User.RunAsync("stat", "-c", "%a %U", inside.User.At("env.json"))).Good());
        Assert.Equal($"600 {way.User()}", (await inside.User.RunAsync("stat", "-c", "%a %U", inside.User.At("env.docker"))).Good());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Another_terminal_gets_it_in_the_form_it_asks_for(Way way)
    {
        TreeShell inside = await cluster.SessionAsync(way);
        JsonNode json = JsonNode.Parse((await inside.User.JoinAsync(PracticeClusterFixture.Program, "env", "--format", "json")).Good())!;
        JsonNode code = JsonNode.Parse((await inside.User.JoinAsync(PracticeClusterFixture.Program, "env", "--format", "vscode")).Good())!;
        CommandResult docker = await inside.User.JoinAsync(PracticeClusterFixture.Program, "env", "--format", "docker");
        foreach ((string name, string value) in Declared)
        {
            Assert.Equal(value, (string?)json[name]);
            Assert.Equal(value, (string?)code["env"]![name]);
        }

        Assert.Contains("MYENV=hello\n", docker.Output, StringComparison.Ordinal);
        Assert.Contains("MULTI_LINE", docker.Error, StringComparison.Ordinal);
        Assert.Equal(
            $"{Declared["MULTI_LINE"]}|{Declared["QUOTED"]}|{Declared["FROM_SECRET"]}",
            (await inside.User.ShellAsync("until e=$(telepresence env); do sleep 0.1; done; eval \"$e\"; printf '%s|%s|%s' \"$MULTI_LINE\" \"$QUOTED\" \"$FROM_SECRET\"")).Good());
    }
}
