using Telepresence.PracticeCluster.Node;

namespace Telepresence.EndToEnd.Harness;

/// <summary>Who types a command on a laptop.</summary>
public enum Person
{
    Root,

    /// <summary>An ordinary user.</summary>
    Jane,

    /// <summary>The same, who types <c>sudo</c> before the program under test.</summary>
    JaneWithSudo,
}

/// <summary>How a process tree gets into the cluster: a method, and who starts it.</summary>
public enum Way
{
    NetnsAsRoot,
    NetnsAsJane,
    NetnsWithSudo,
    PreloadAsRoot,
    PreloadAsJane,
}

/// <summary>What belongs to a <see cref="Way"/>.</summary>
internal static class Ways
{
    internal static Person Person(this Way way) => way switch
    {
        Way.NetnsAsRoot or Way.PreloadAsRoot => Harness.Person.Root,
        Way.NetnsWithSudo => Harness.Person.JaneWithSudo,
        _ => Harness.Person.Jane,
    };

    /// <summary>Argument of <c>--method</c>.</summary>
    internal static string Method(this Way way) => way is Way.PreloadAsRoot or Way.PreloadAsJane ? "preload" : "netns";

    /// <summary>For names of Kubernetes objects.</summary>
    internal static string Label(this Way way) => way switch
    {
        Way.NetnsAsRoot => "netns-root",
        Way.NetnsAsJane => "netns-jane",
        Way.NetnsWithSudo => "netns-sudo",
        Way.PreloadAsRoot => "preload-root",
        _ => "preload-jane",
    };

    /// <summary>Name of the user that the tree's programs run as.</summary>
    internal static string User(this Way way) => way.Person() == Harness.Person.Root ? "root" : LaptopNamespaces.User;
}

/// <summary>All ways, for theories.</summary>
public sealed class EveryWay : TheoryData<Way>
{
    public EveryWay() => AddRange(Enum.GetValues<Way>());
}

/// <summary>The ways an ordinary user has without sudo.</summary>
public sealed class WaysWithoutPrivileges : TheoryData<Way>
{
    public WaysWithoutPrivileges() => AddRange(Way.NetnsAsJane, Way.PreloadAsJane);
}

/// <summary>One way of each method, and root's.</summary>
public sealed class MainWays : TheoryData<Way>
{
    public MainWays() => AddRange(Way.NetnsAsRoot, Way.NetnsAsJane, Way.PreloadAsJane);
}
