using System.Globalization;

using Telepresence.Cli.Machine;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>How a process becomes a command inside a namespace that somebody else holds: <c>telepresence run</c> and <c>shell</c>.</summary>
internal static class HolderJoin
{
    // nsenter starts in the namespace's root directory; a directory that is not there inside is no reason to fail.
    private const string ChangeDirectory = """cd -- "$0" 2>/dev/null; exec "$@" """;

    /// <summary>The arguments, program first, for <see cref="ChildProcess.Become"/>.</summary>
    /// <param name="holder">Process id of the holder.</param>
    /// <param name="rootless">Whether there is a user namespace to enter; the caller must then be its owner. Else the caller must be root.</param>
    /// <param name="network">Whether there is a network namespace to enter.</param>
    /// <param name="user">Whom root becomes; null where the caller stays who it is.</param>
    /// <param name="directory">Where it starts.</param>
    /// <param name="command">Program and arguments.</param>
    /// <exception cref="UserError">A tool is missing.</exception>
    internal static IReadOnlyList<string> CommandLine(
        int holder, bool rootless, bool network, HolderUser? user, string directory, IReadOnlyList<string> command)
    {
        List<string> line = [HolderTools.Find("nsenter"), "--target", Number((uint)holder)];
        if (rootless)
            line.AddRange(["--user", "--preserve-credentials"]);
        if (network)
            line.Add("--net");
        line.AddRange(["--mount", "--", .. UserLine(user)]);
        line.AddRange(["/bin/sh", "-c", ChangeDirectory, directory, .. command]);
        return line;
    }

    /// <summary>The part that makes a command the user's own: no capabilities, and as root another user.</summary>
    /// <param name="become">The user to become, or null to stay.</param>
    /// <exception cref="UserError">setpriv is missing.</exception>
    internal static IReadOnlyList<string> UserLine(HolderUser? become)
    {
        List<string> line = [HolderTools.Find("setpriv"), "--inh-caps=-all"];
        if (become is var (uid, gid, groups))
        {
            line.AddRange(["--reuid", Number(uid), "--regid", Number(gid)]);
            line.AddRange(groups.Count == 0 ? ["--clear-groups"] : ["--groups", string.Join(',', groups.Select(Number))]);
        }
        else
        {
            line.Add("--ambient-caps=-all");
        }

        line.Add("--");
        return line;
    }

    private static string Number(uint number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The tools of util-linux and iproute2 that make and enter namespaces.</summary>
internal static class HolderTools
{
    /// <summary>The full path of a tool.</summary>
    /// <exception cref="UserError">It is not installed.</exception>
    internal static string Find(string tool)
    {
        try
        {
            return Tool.Find(tool);
        }
        catch (IOException fault)
        {
            string package = tool == "ip" ? "iproute2" : "util-linux";
            throw new UserError(ExitCode.NoNamespace, $"{tool} is not installed; install the package {package}, or use --method preload.", fault);
        }
    }
}
