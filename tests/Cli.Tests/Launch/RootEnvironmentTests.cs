using Telepresence.Cli.Launch.Holder;

namespace Telepresence.Cli.Tests.Launch;

public sealed class RootEnvironmentTests
{
    [Fact]
    public void Nothing_of_the_user_s_is_in_it()
    {
        Assert.Equal(["LC_ALL", "PATH"], RootEnvironment.Make("/home/jane/dotnet", "/usr/lib/dotnet/shared/Microsoft.NETCore.App/10.0.0/").Keys.Order());
        Assert.Equal(["LC_ALL", "PATH"], RootEnvironment.Make(null, "/usr/lib/dotnet/shared/Microsoft.NETCore.App/10.0.0/").Keys.Order());
    }

    [Fact]
    public void The_runtime_that_runs_as_root_already_is_found_again() =>
        Assert.Equal("/opt/dotnet/", RootEnvironment.Make("/opt/dotnet/", "/opt/dotnet/shared/Microsoft.NETCore.App/10.0.0/")["DOTNET_ROOT"]);

    [Fact]
    public void A_holder_is_told_for_whom_it_works()
    {
        HolderUser user = new(1000, 1001, [1001, 27]);
        HolderUser read = HolderUser.Parse(["--mounts-only", .. user.ToArguments()])!;
        Assert.Equal((user.Uid, user.Gid), (read.Uid, read.Gid));
        Assert.Equal(user.Groups, read.Groups);
        Assert.Null(HolderUser.Parse(["--mounts-only"]));
    }
}
