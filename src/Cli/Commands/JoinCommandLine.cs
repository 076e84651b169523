using System.CommandLine;

using Telepresence.Cli.Launch.Variables;

namespace Telepresence.Cli.Commands;

/// <summary>The verbs that join a session of another terminal.</summary>
internal static class JoinCommandLine
{
    private const string RunExamples = """

        Examples:
          telepresence run -- python3 server.py
          telepresence run --session web -- curl http://hello/

        The exit code of CMD is passed on; 83 says that there is no such session.

        """;

    private const string EnvExamples = """

        Examples:
          eval "$(telepresence env)"
          telepresence env --format docker >pod.env && docker run --env-file pod.env IMAGE
          telepresence env --format vscode                 for a launch configuration

        """;

    /// <summary><c>run -- CMD</c>.</summary>
    internal static Command Run(string[] command)
    {
        Option<string?> session = Session();
        Command run = new("run", "Run a command in a session that another terminal has started: run [--session NAME] -- CMD.") { session };
        run.SetAction((parsed, _) => VerbRunner.RunAsync("run", json: false, outputIsTaken: true, _ => JoinCommand.RunAsync(parsed.GetValue(session), command)));
        CommandTree.AddExamples(run, RunExamples);
        return run;
    }

    /// <summary><c>shell</c>.</summary>
    internal static Command Shell()
    {
        Option<string?> session = Session();
        Command shell = new("shell", "Open your shell in a session that another terminal has started.") { session };
        shell.SetAction((parsed, _) => VerbRunner.RunAsync("shell", json: false, outputIsTaken: true, _ => JoinCommand.ShellAsync(parsed.GetValue(session))));
        return shell;
    }

    /// <summary><c>env</c>.</summary>
    internal static Command Env()
    {
        Option<string?> session = Session();
        Option<string> format = new("--format") { Description = "Form of the output.", HelpName = string.Join('|', EnvironmentFormat.Names), DefaultValueFactory = static _ => "sh" };
        format.AcceptOnlyFromAmong(EnvironmentFormat.Names);
        Command env = new("env", "Print the environment of a session's pod.") { session, format };
        env.SetAction((parsed, _) => VerbRunner.RunAsync("env", json: false, outputIsTaken: true, terminal => JoinCommand.EnvAsync(parsed.GetValue(session), parsed.GetValue(format)!, terminal)));
        CommandTree.AddExamples(env, EnvExamples);
        return env;
    }

    private static Option<string?> Session() => new("--session") { Description = "Name of the session, its Deployment's; needed when there are several.", HelpName = "NAME" };
}
