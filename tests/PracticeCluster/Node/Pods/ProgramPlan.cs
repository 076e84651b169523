using System.Globalization;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>A program and who it is: the input of become.pl.</summary>
/// <param name="DroppedCapabilities">Their numbers.</param>
internal sealed record ProgramPlan(
    IReadOnlyList<string> Command,
    IReadOnlyDictionary<string, string> Environment,
    string WorkingDirectory,
    ContainerUser User,
    IReadOnlyList<int> DroppedCapabilities,
    bool NoNewPrivileges)
{
    /// <param name="place"><c>root=PATH</c> or <c>mnt=PATH</c>.</param>
    internal byte[] Records(string place)
    {
        var text = new StringBuilder();
        Add(place);
        Add($"cwd={WorkingDirectory}");
        Add(string.Create(CultureInfo.InvariantCulture, $"uid={User.User}"));
        Add(string.Create(CultureInfo.InvariantCulture, $"gid={User.Group}"));
        Add($"nnp={(NoNewPrivileges ? 1 : 0)}");
        foreach (int group in User.Groups)
            Add(string.Create(CultureInfo.InvariantCulture, $"group={group}"));
        foreach (int capability in DroppedCapabilities)
            Add(string.Create(CultureInfo.InvariantCulture, $"drop={capability}"));
        foreach ((string name, string value) in Environment)
            Add($"env={name}={value}");
        foreach (string argument in Command)
            Add($"arg={argument}");
        return Encoding.UTF8.GetBytes(text.ToString());

        void Add(string record) => text.Append(record).Append('\0');
    }
}
