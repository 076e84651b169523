using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Telepresence.Cli.Commands;

/// <summary>The verbs, their options and their help.</summary>
internal static class CommandTree
{
    private const string Overview = """

        Two ways in: connect puts this whole machine into the cluster; --run-shell and --run put one process tree there, with the pod's
        environment, volumes and ports, and need no root where the kernel allows it.

        Examples:
          telepresence --new-deployment quickstart --run-shell
          telepresence --swap-deployment web --expose 8080 --run python3 server.py
          telepresence --deployment web:proxy --namespace shop --run-shell
          telepresence run -- curl http://hello/           in a session of another terminal; shell and env likewise
          sudo telepresence connect                        this machine joins the cluster of the current context
          sudo telepresence connect --namespace web        short names are those of namespace web
          sudo telepresence connect -- curl http://hello/  one command inside the cluster, then disconnect
          telepresence status --output json                for scripts
          sudo telepresence quit                           everything back as it was

        """;

    private const string ConnectExamples = """

        Examples:
          sudo telepresence connect
          sudo telepresence connect --context staging --namespace web
          sudo telepresence connect --also-proxy 10.20.0.0/16 --also-proxy db.internal.example.com
          sudo telepresence connect --never-proxy 10.96.7.0/24
          sudo telepresence connect --all                  everything but the API server, SSH and the local network
          sudo telepresence connect -- make integration-test

        Connecting again to the same target does nothing and succeeds. The exit code of CMD is passed on;
        the other codes are in the table of README.md.

        """;

    private const string StatusExamples = """

        Examples:
          telepresence status
          telepresence status --output json | jq -r .user_daemon.status

        """;

    /// <summary>Parses and runs a command line.</summary>
    /// <param name="arguments">As the process got them.</param>
    internal static async Task<int> RunAsync(string[] arguments)
    {
        // What stands behind "--", and behind "--run", is the user's own command, whatever it looks like.
        int separator = Array.IndexOf(arguments, "--"), run = Array.IndexOf(arguments, "--run");
        string[]? launched = null;
        if (run >= 0 && (separator < 0 || run < separator))
        {
            launched = arguments[(run + 1)..];
            arguments = arguments[..run];
            separator = -1;
        }

        string[] command = separator < 0 ? [] : arguments[(separator + 1)..];
        string[] own = separator < 0 ? arguments : arguments[..separator];
        if (own is ["help", .. string[] about])
            own = [.. about, "--help"];
        RootCommand root = Build(command, launched);
        ParseResult parsed = root.Parse(own, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        bool takesCommand = parsed.CommandResult.Command.Name is "connect" or "run";
        string verb = parsed.CommandResult.Command == root ? "" : parsed.CommandResult.Command.Name;
        if (parsed.Errors.Count > 0)
            return await RefuseAsync(verb, parsed.Errors[0].Message);
        if (launched is not null && verb.Length > 0)
            return await RefuseAsync(verb, "--run goes with no verb.");
        if (separator >= 0 && (!takesCommand || command.Length == 0))
            return await RefuseAsync(verb, takesCommand ? "a command must stand behind --." : "only connect and run take a command behind --; without a verb it is --run COMMAND.");
        if (verb == "run" && command.Length == 0)
            return await RefuseAsync(verb, "a command must stand behind --.");
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    private static async Task<int> RefuseAsync(string verb, string reason)
    {
        string name = verb.Length == 0 ? "telepresence" : $"telepresence {verb}";
        string line = string.Join(' ', reason.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');
        await Console.Error.WriteLineAsync($"{name}: error: {line}; {name} --help shows what there is.");
        return ExitCode.BadArguments;
    }

    private static RootCommand Build(string[] command, string[]? launched)
    {
        RootCommand root = new("Puts this machine into a Kubernetes cluster: its Services, pods and names are reached as from a pod.");
        foreach (Option option in root.Options.Where(static option => option is VersionOption).ToArray())
            root.Options.Remove(option);
        root.Options.Add(new Option<bool>("--version") { Description = "Print the version and nothing else." });
        LaunchCommandLine.AddTo(root, launched);
        root.Add(Connect(command));
        root.Add(JoinCommandLine.Run(command));
        root.Add(JoinCommandLine.Shell());
        root.Add(JoinCommandLine.Env());
        root.Add(Status());
        root.Add(Quit());
        root.Add(Version());
        root.Add(new Command("help", "Show what there is, or how a verb is used: help connect."));
        AddExamples(root, Overview);
        return root;
    }

    private static Command Connect(string[] command)
    {
        Option<string?> context = new("--context") { Description = "Kubeconfig context; kubectl's current one by default.", HelpName = "NAME" };
        Option<string?> ns = new("--namespace", "-n") { Description = "Namespace of the proxy pod and of short names; the context's own by default.", HelpName = "NAME" };
        Option<string?> kubeconfig = new("--kubeconfig") { Description = "Kubeconfig file; kubectl's own choice by default.", HelpName = "FILE" };
        Option<string[]> alsoProxy = new("--also-proxy") { Description = "Send this network or host through the cluster too; repeatable. A host is looked up in the cluster.", HelpName = "CIDR|HOST", Arity = ArgumentArity.OneOrMore };
        Option<string[]> neverProxy = new("--never-proxy") { Description = "Keep this network or host outside; repeatable. The most specific network wins.", HelpName = "CIDR|HOST", Arity = ArgumentArity.OneOrMore };
        Option<string[]> dnsSuffix = new("--dns-suffix") { Description = "Ask the cluster first for names that end so; repeatable.", HelpName = "SUFFIX", Arity = ArgumentArity.OneOrMore };
        Option<bool> all = new("--all") { Description = "Send everything through the cluster, except the API server, the SSH peer, the gateway and this machine's own networks." };
        Option<string?> logfile = new("--logfile") { Description = "Log of the user daemon.", HelpName = "FILE" };
        Option<bool> verbose = new("--verbose", "-v") { Description = "Log details." };
        Option<string?> image = new("--image") { Description = "Image of the proxy pod; must be of this version.", HelpName = "IMAGE" };
        Option<string> output = Output();
        Command connect = new("connect", "Connect this machine to the cluster; with -- CMD, for as long as CMD runs. Needs root.")
        {
            context, ns, kubeconfig, alsoProxy, neverProxy, dnsSuffix, all, logfile, verbose, image, output,
        };
        connect.SetAction(async (parsed, _) =>
        {
            ConnectArguments arguments = new()
            {
                Context = parsed.GetValue(context),
                Namespace = parsed.GetValue(ns),
                Kubeconfig = parsed.GetValue(kubeconfig),
                AlsoProxy = parsed.GetValue(alsoProxy) ?? [],
                NeverProxy = parsed.GetValue(neverProxy) ?? [],
                DnsSuffix = parsed.GetValue(dnsSuffix) ?? [],
                All = parsed.GetValue(all),
                LogFile = parsed.GetValue(logfile),
                Verbose = parsed.GetValue(verbose),
                Image = parsed.GetValue(image),
                Command = command,
            };
            return await VerbRunner.RunAsync("connect", parsed.GetValue(output) == "json", command.Length > 0, async terminal =>
            {
                using ConnectCommand run = new(arguments, terminal);
                return await run.RunAsync();
            });
        });
        AddExamples(connect, ConnectExamples);
        return connect;
    }

    private static Command Status()
    {
        Option<string> output = Output();
        Command status = new("status", "Show what is connected.") { output };
        status.SetAction((parsed, _) => VerbRunner.RunAsync("status", json: false, outputIsTaken: false, _ => StatusCommand.RunAsync(parsed.GetValue(output) == "json", Console.Out)));
        AddExamples(status, StatusExamples);
        return status;
    }

    private static Command Quit()
    {
        Option<string> output = Output();
        Option<bool> stopDaemons = new("--stop-daemons", "-s") { Description = "Accepted for habit's sake: the daemons end in any case." };
        Command quit = new("quit", "Disconnect, and put everything back as it was.") { stopDaemons, output };
        quit.SetAction((parsed, _) => VerbRunner.RunAsync("quit", parsed.GetValue(output) == "json", outputIsTaken: false, terminal => QuitCommand.RunAsync(parsed.GetValue(stopDaemons), terminal)));
        return quit;
    }

    private static Command Version()
    {
        Option<string> output = Output();
        Command version = new("version", "Show the version of each part.") { output };
        version.SetAction((parsed, _) => VerbRunner.RunAsync("version", parsed.GetValue(output) == "json", outputIsTaken: false, VersionCommand.RunAsync));
        return version;
    }

    internal static Option<string> Output()
    {
        Option<string> output = new("--output") { Description = "Form of the output.", HelpName = "text|json", DefaultValueFactory = static _ => "text" };
        output.AcceptOnlyFromAmong("text", "json");
        return output;
    }

    internal static void AddExamples(Command command, string examples)
    {
        HelpOption? help = command.Options.OfType<HelpOption>().FirstOrDefault();
        if (help is null)
            command.Options.Add(help = new HelpOption());
        help.Action = new HelpWithExamples((HelpAction)help.Action!, examples);
    }

    private sealed class HelpWithExamples(HelpAction help, string examples) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int exitCode = help.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.Write(examples);
            return exitCode;
        }
    }
}
