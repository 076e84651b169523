using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Tests.Launch;

public sealed class TreeVariablesTests
{
    private static readonly Dictionary<string, string> User = new() { ["PATH"] = "/usr/bin", ["EDITOR"] = "vi", ["MODE"] = "here" };
    private static readonly Dictionary<string, string> Pod = new() { ["PATH"] = "/app", ["MODE"] = "there", ["SECRET"] = "s" };
    private static readonly Dictionary<string, string> None = [];

    [Fact]
    public void The_pod_s_variables_come_over_the_user_s_own()
    {
        IReadOnlyDictionary<string, string> merged = TreeVariables.Merge(User, Pod, new Dictionary<string, string> { ["TELEPRESENCE_POD"] = "p" }, None);
        Assert.Equal("there", merged["MODE"]);
        Assert.Equal("s", merged["SECRET"]);
        Assert.Equal("vi", merged["EDITOR"]);
        Assert.Equal("p", merged["TELEPRESENCE_POD"]);
    }

    [Fact]
    public void What_would_hinder_programs_here_stays_and_is_named()
    {
        Assert.Equal("/usr/bin", TreeVariables.Merge(User, Pod, None, None)["PATH"]);
        Assert.Equal(["PATH"], TreeVariables.Kept(Pod));
    }
}
