namespace Telepresence.PracticeCluster.Access;

/// <summary>A line of a token file as kube-apiserver's --token-auth-file has it: token,user,uid[,"group1,group2"].</summary>
internal sealed record StaticUser(string Token, string Name, string Uid, IReadOnlyList<string> Groups)
{
    /// <exception cref="FormatException">Names the line that is wrong.</exception>
    public static IReadOnlyList<StaticUser> ParseFile(string text)
    {
        var users = new List<StaticUser>();
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            var fields = line.Split(',', 4);
            if (fields.Length < 3 || fields[0].Length == 0 || fields[1].Length == 0)
                throw new FormatException($"line {number} of the user file is not token,user,uid[,\"group,...\"]");
            string[] groups = fields.Length < 4 ? []
                : fields[3].Trim().Trim('"').Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            users.Add(new StaticUser(fields[0].Trim(), fields[1].Trim(), fields[2].Trim(), groups));
        }
        return users;
    }
}
