using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Launch.Shell;

/// <summary>
/// The user's own shell with their own start-up files, and <c>@CONTEXT|</c> in front of its prompt.
/// </summary>
/// <remarks>
/// The prompt is set behind the user's files, by a file of ours that reads theirs first: an environment variable would be overwritten by
/// nearly every distribution's bashrc. A shell that is not bash, zsh or fish gets <c>PS1</c> in its environment, which POSIX shells keep.
/// </remarks>
/// <param name="Command">Program and arguments.</param>
/// <param name="Variables">What its environment needs besides.</param>
internal sealed record UserShell(IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Variables)
{
    /// <summary>Chooses and prepares the shell.</summary>
    /// <param name="user">Whose.</param>
    /// <param name="context">Kubeconfig context, for the prompt.</param>
    /// <param name="directory">A directory of the session's own, for start-up files.</param>
    /// <param name="interactive">Whether a person types; a script on standard input gets the shell as it is.</param>
    internal static UserShell Prepare(InvokingUser user, string context, string directory, bool interactive)
    {
        string shell = user.Environment.GetValueOrDefault("SHELL") is { Length: > 0 } own && user.FindProgram(own) is { } found ? found : "/bin/sh";
        string prefix = $"@{Printable(context)}|";
        if (!interactive)
            return new UserShell([shell], new Dictionary<string, string>());
        switch (Path.GetFileName(shell))
        {
            case "bash":
                string rc = Path.Combine(directory, "bashrc");
                File.WriteAllText(rc, $"[ -r ~/.bashrc ] && . ~/.bashrc\nPS1={EnvironmentFormat.Quote(Escaped(prefix))}\"$PS1\"\n");
                return new UserShell([shell, "--rcfile", rc, "-i"], new Dictionary<string, string>());
            case "zsh":
                return Zsh(user, shell, prefix, directory);
            case "fish":
                string prompt = $"functions -c fish_prompt __telepresence_prompt; function fish_prompt; printf '%s' {EnvironmentFormat.Quote(prefix)}; __telepresence_prompt; end";
                return new UserShell([shell, "--interactive", "--init-command", prompt], new Dictionary<string, string>());
            default:
                string before = user.Environment.GetValueOrDefault("PS1") ?? "$ ";
                return new UserShell([shell, "-i"], new Dictionary<string, string> { ["PS1"] = prefix + before });
        }
    }

    // zsh reads its files from ZDOTDIR: ours, each of which reads the user's; the last one gives ZDOTDIR back.
    private static UserShell Zsh(InvokingUser user, string shell, string prefix, string directory)
    {
        string ours = Path.Combine(directory, "zsh");
        string theirs = EnvironmentFormat.Quote(user.Environment.GetValueOrDefault("ZDOTDIR") is { Length: > 0 } own ? own : user.Home);
        Directory.CreateDirectory(ours, DaemonPaths.Private);
        string back = user.Environment.ContainsKey("ZDOTDIR") ? $"ZDOTDIR={theirs}" : "unset ZDOTDIR";
        File.WriteAllText(Path.Combine(ours, ".zshenv"), $"[ -r {theirs}/.zshenv ] && . {theirs}/.zshenv\nZDOTDIR={EnvironmentFormat.Quote(ours)}\n");
        File.WriteAllText(Path.Combine(ours, ".zshrc"), $"{back}\n[ -r {theirs}/.zshrc ] && . {theirs}/.zshrc\nPROMPT={EnvironmentFormat.Quote(prefix.Replace("%", "%%", StringComparison.Ordinal))}\"$PROMPT\"\n");
        return new UserShell([shell, "-i"], new Dictionary<string, string> { ["ZDOTDIR"] = ours });
    }

    // bash reads PS1 twice: backslash escapes first (a lone \$ would become # for root), then $ and ` as in double quotes.
    private static string Escaped(string prompt)
    {
        string quoted = prompt.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("$", "\\$", StringComparison.Ordinal).Replace("`", "\\`", StringComparison.Ordinal);
        return quoted.Replace("\\", "\\\\", StringComparison.Ordinal);
    }

    private static string Printable(string context) => string.Concat(context.Where(static c => !char.IsControl(c)));
}
