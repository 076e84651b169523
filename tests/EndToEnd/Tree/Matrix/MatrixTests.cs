using System.Text;

namespace Telepresence.EndToEnd.Tree.Matrix;

/// <summary>Real programs × methods. The table in docs/matrix.md is what this test saw.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class MatrixTests(PracticeClusterFixture cluster)
{
    /// <summary>Set to 1: the table in docs is written, and not compared.</summary>
    private const string WriteVariable = "TELEPRESENCE_WRITE_MATRIX";
    private const string Works = "works", SaysSo = "no, and says so", Misses = "misses";
    private static readonly Way[] Columns = [Way.NetnsAsRoot, Way.NetnsAsJane, Way.PreloadAsJane];
    private static readonly string Table = Path.Combine(PracticeClusterFixture.Repository, "docs/matrix.md");

    [Fact]
    public async Task Real_programs_reach_the_cluster_as_the_table_in_docs_says()
    {
        string directory = await new ProgramBuilder(cluster.MakeDirectory("programs")).BuildAsync();
        Dictionary<Way, TreeShell> sessions = [];
        foreach (Way way in Columns)
            sessions[way] = await cluster.SessionAsync(way);
        await cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: git, namespace: tree}
            spec:
              selector: {matchLabels: {run: git}}
              template:
                metadata: {labels: {run: git}}
                spec:
                  containers:
                  - name: git
                    image: debian
                    command: [sh, -c, "git init -q /tmp/repository && cd /tmp/repository && git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m one && exec git daemon --base-path=/tmp --export-all --reuseaddr"]
                    readinessProbe: {tcpSocket: {port: 9418}, periodSeconds: 1}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: git, namespace: tree}
            spec: {selector: {run: git}, ports: [{port: 9418}]}
            """.Replace("namespace: tree", $"namespace: {PracticeClusterFixture.Tree}", StringComparison.Ordinal));
        await cluster.RolledOutAsync(PracticeClusterFixture.Tree, "git");

        StringBuilder details = new();
        List<(string Name, string Line)> lines = [];
        foreach (RealProgram program in RealProgram.All)
        {
            if (program.Present is not null && (await sessions[Columns[0]].User.ShellAsync(program.Present)).ExitCode != 0)
                continue;
            List<string> cells = [];
            foreach (Way way in Columns)
            {
                CommandResult result = await sessions[way].RunAsync($"P={directory}; {program.Script}");
                string cell = await JudgeAsync(program, result, sessions[way]);
                if (cell != Works)
                    details.AppendLine($"{program.Name}, {way}: {cell}\n{result}");
                cells.Add(cell);
            }

            lines.Add((program.Name, $"| {program.Name} | {program.Does} | {string.Join(" | ", cells)} |"));
        }

        if (Environment.GetEnvironmentVariable(WriteVariable) == "1")
            await File.WriteAllTextAsync(Table, Head + string.Join('\n', lines.Select(static line => line.Line)) + "\n");
        Assert.False(lines.Any(static line => line.Line.Contains(Misses, StringComparison.Ordinal)), $"A program fails without a word of why.\n{details}");

        // A machine may lack a program; what it has is as the table says.
        string[] expected = await File.ReadAllLinesAsync(Table);
        HashSet<string> present = [.. lines.Select(static line => line.Name)];
        string[] rows = [.. expected.Where(line => line.StartsWith("| ", StringComparison.Ordinal) && present.Contains(line.Split('|')[1].Trim()))];
        Assert.True(rows.SequenceEqual(lines.Select(static line => line.Line)), $"docs/matrix.md says\n{string.Join('\n', rows)}\nand the test saw\n{string.Join('\n', lines.Select(static line => line.Line))}\n{details}\nWith {WriteVariable}=1 the test writes the file.");
    }

    private static string Head => """
        # Real programs × methods

        Made by the test Tree/Matrix/MatrixTests, on the practice cluster: each program ran inside a session and reached the cluster, or
        did not and somebody said so, with the reason and what to do (`no, and says so`); a failure without a word fails the test.

        | program | does | netns, root | netns, no privileges | preload, no privileges |
        |---|---|---|---|---|

        """;

    // Who says so is the program that was to be called, or the session on its own standard error, where its word may come after the
    // program's end.
    private static async Task<string> JudgeAsync(RealProgram program, CommandResult result, TreeShell session)
    {
        if (result.Output.Contains(program.Expected, StringComparison.Ordinal))
            return Works;
        string file = program.Name.StartsWith("busybox", StringComparison.Ordinal) ? "busybox" : program.Script.Split(' ')[0].Replace("$P/", "", StringComparison.Ordinal);
        bool named = await Eventually.HeldAsync(() => (result.Everything + session.Said).Split('\n').Any(line => line.Contains(file, StringComparison.Ordinal)
            && (line.Contains("not supported under Telepresence", StringComparison.Ordinal) || line.Contains("--method netns", StringComparison.Ordinal))));
        return named ? SaysSo : Misses;
    }
}
