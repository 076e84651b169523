using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Tests.Daemon;

public sealed class InvokingUserTests
{
    private static readonly Dictionary<string, string> SudoLeft = new() { ["SUDO_UID"] = "1000", ["SUDO_USER"] = "jane", ["PATH"] = "/usr/sbin:/usr/bin", ["HOME"] = "/root", ["LANG"] = "C" };

    [Fact]
    public void Without_sudo_it_is_whoever_runs_the_program()
    {
        InvokingUser user = Resolve(1000, new() { ["HOME"] = "/elsewhere", ["KUBECONFIG"] = "/k" }, null);

        Assert.Equal((1000u, "jane", "/elsewhere", "/k"), (user.Uid, user.Name, user.Home, user.Environment["KUBECONFIG"]));
    }

    [Fact]
    public void Behind_sudo_it_is_the_caller_with_the_environment_of_before()
    {
        InvokingUser user = Resolve(0, SudoLeft, new() { ["PATH"] = "/home/jane/bin:/usr/bin", ["KUBECONFIG"] = "/home/jane/cluster", ["AWS_PROFILE"] = "dev", ["HOME"] = "/home/jane" });

        Assert.Equal((1000u, 1000u, "jane", "/home/jane"), (user.Uid, user.Gid, user.Name, user.Home));
        Assert.Equal("/home/jane/cluster", user.Environment["KUBECONFIG"]);
        Assert.Equal("dev", user.Environment["AWS_PROFILE"]);
        Assert.Equal("/home/jane/bin:/usr/bin", user.Environment["PATH"]);
    }

    [Fact]
    public void Where_sudo_s_environment_cannot_be_read_home_and_names_are_right_all_the_same()
    {
        InvokingUser user = Resolve(0, SudoLeft, null);

        Assert.Equal("/home/jane", user.Environment["HOME"]);
        Assert.Equal("jane", user.Environment["USER"]);
        Assert.DoesNotContain("SUDO_UID", user.Environment.Keys);
    }

    [Fact]
    public void A_kubeconfig_given_through_sudo_wins()
    {
        InvokingUser user = Resolve(0, new(SudoLeft) { ["KUBECONFIG"] = "/given" }, new() { ["KUBECONFIG"] = "/exported" });

        Assert.Equal("/given", user.Environment["KUBECONFIG"]);
    }

    [Fact]
    public void Only_root_may_claim_to_be_called_by_somebody_else() =>
        Assert.Equal(33u, Resolve(33, SudoLeft, null).Uid);

    [Fact]
    public void An_unknown_caller_is_refused() =>
        Assert.Equal(ExitCode.NotRoot, Assert.Throws<UserError>(() => Resolve(0, new() { ["SUDO_UID"] = "4242" }, null)).ExitCode);

    [Fact]
    public void An_environment_block_is_read_with_values_of_any_kind()
    {
        IReadOnlyDictionary<string, string> variables = InvokingUser.ParseEnvironment("A=1\0B=x=y\nz\0\0=odd\0EMPTY=\0NOVALUE\0"u8);

        Assert.Equal(new Dictionary<string, string> { ["A"] = "1", ["B"] = "x=y\nz", ["EMPTY"] = "" }, variables);
    }

    [Fact]
    public void Its_text_holds_no_variable() =>
        Assert.DoesNotContain("secret", Resolve(1000, new() { ["TOKEN"] = "secret" }, null).ToString(), StringComparison.Ordinal);

    [Fact]
    public void A_program_is_looked_for_in_the_user_s_own_path()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory();
        string tool = Path.Combine(directory.FullName, "tool"), note = Path.Combine(directory.FullName, "note");
        File.WriteAllText(tool, "#!/bin/sh\n");
        File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.WriteAllText(note, "");
        InvokingUser user = Resolve(1000, new() { ["PATH"] = $"/nonexistent:{directory.FullName}" }, null);

        Assert.Equal(tool, user.FindProgram("tool"));
        Assert.Null(user.FindProgram("note"));
        Assert.Null(user.FindProgram("absent"));
        directory.Delete(recursive: true);
    }

    private static InvokingUser Resolve(uint uid, Dictionary<string, string> environment, Dictionary<string, string>? sudo) =>
        InvokingUser.Resolve(uid, uid, environment, static uid => uid == 1000 ? new Posix.UserEntry(1000, 1000, "jane", "/home/jane") : null, () => sudo);
}
