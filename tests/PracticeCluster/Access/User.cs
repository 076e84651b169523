namespace Telepresence.PracticeCluster.Access;

internal sealed record User(string Name, string Uid, IReadOnlyList<string> Groups)
{
    public static readonly User Anonymous = new("system:anonymous", "", ["system:unauthenticated"]);

    /// <summary>Controllers and node; passes every check.</summary>
    public static readonly User System = new("system:kube-controller-manager", "", ["system:masters", "system:authenticated"]);
}
