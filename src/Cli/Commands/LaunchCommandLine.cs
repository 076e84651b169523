using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Telepresence.Cli.Commands;

/// <summary>The options of the form without a verb.</summary>
internal static class LaunchCommandLine
{
    /// <summary>Adds the options to the root command, and what it does.</summary>
    /// <param name="root">The root command.</param>
    /// <param name="run">What stood behind <c>--run</c>, or null when that was not given.</param>
    internal static void AddTo(RootCommand root, string[]? run)
    {
        Option<string?> newDeployment = Text("--new-deployment", "NAME", "Run the proxy in a new Deployment, which is gone afterwards.", "-n");
        Option<string?> deployment = Text("--deployment", "NAME[:CONTAINER]", "Use a Deployment that already runs the proxy image.", "-d");
        Option<string?> swap = Text("--swap-deployment", "NAME[:CONTAINER]", "Stand in for a Deployment; it comes back afterwards.", "-s");
        Option<string?> context = Text("--context", "NAME", "Kubeconfig context; kubectl's current one by default.");
        Option<string?> ns = Text("--namespace", "NAME", "Namespace; the context's own by default.");
        Option<string?> kubeconfig = Text("--kubeconfig", "FILE", "Kubeconfig file; kubectl's own choice by default.");
        Option<string?> serviceAccount = Text("--serviceaccount", "NAME", "Service account of a new Deployment.");
        Option<string?> image = Text("--image", "IMAGE", "Image of the proxy; must be of this version.");
        Option<string[]> expose = Many("--expose", "LOCAL[:REMOTE][/udp]", "Serve this port of the pod here, on the loopback; repeatable.");
        Option<string[]> toPod = Many("--to-pod", "PORT", "Reach this port of the pod's own loopback here; repeatable.");
        Option<string[]> fromPod = Many("--from-pod", "PORT", "Serve this port of the pod's own loopback here; repeatable.");
        Option<string[]> alsoProxy = Many("--also-proxy", "CIDR|HOST", "Accepted for habit's sake: everything goes through the cluster.");
        Option<string[]> neverProxy = Many("--never-proxy", "CIDR|HOST", "Keep this network or host outside the cluster; repeatable.");
        Option<string> method = new("--method") { Description = "How programs are caught; the best that works here by default.", HelpName = "auto|netns|preload", DefaultValueFactory = static _ => "auto" };
        method.AcceptOnlyFromAmong("auto", "netns", "preload");
        Option<string?> mount = Text("--mount", "PATH|true|false", "Where the pod's files are mounted; true, the default, is a directory of its own.");
        Option<bool> mountWrite = new("--mount-write") { Description = "Let programs write to the pod's volumes." };
        Option<string?> envFile = Text("--env-file", "FILE", "Write the pod's environment there, as docker reads it.");
        Option<string?> envJson = Text("--env-json", "FILE", "Write the pod's environment there, as JSON.");
        Option<string?> logfile = Text("--logfile", "FILE", "The log, telepresence.log by default; - for standard output.");
        Option<bool> verbose = new("--verbose", "-v") { Description = "Log details, and print how long each part of the start took." };
        Option<bool> runShell = new("--run-shell") { Description = "Run your shell in the cluster." };
        Option<bool> runHelp = new("--run") { Description = "Run COMMAND in the cluster; takes all the rest of the line.", HelpName = "COMMAND ARGUMENTS…" };
        Option[] all =
        [
            newDeployment, deployment, swap, context, ns, kubeconfig, serviceAccount, image, expose, toPod, fromPod, alsoProxy, neverProxy,
            method, mount, mountWrite, envFile, envJson, logfile, verbose, runShell, runHelp,
        ];
        foreach (Option option in all)
            root.Options.Add(option);
        root.SetAction(async (parsed, _) =>
        {
            if (run is null && !all.Any(option => parsed.GetResult(option) is { Implicit: false }))
                return parsed.CommandResult.Command.Options.OfType<HelpOption>().First().Action is SynchronousCommandLineAction help ? help.Invoke(parsed) : ExitCode.Success;
            LaunchArguments arguments = new()
            {
                Context = parsed.GetValue(context),
                Namespace = parsed.GetValue(ns),
                Kubeconfig = parsed.GetValue(kubeconfig),
                NewDeployment = parsed.GetValue(newDeployment),
                Deployment = parsed.GetValue(deployment),
                SwapDeployment = parsed.GetValue(swap),
                ServiceAccount = parsed.GetValue(serviceAccount),
                Image = parsed.GetValue(image),
                Expose = parsed.GetValue(expose) ?? [],
                ToPod = parsed.GetValue(toPod) ?? [],
                FromPod = parsed.GetValue(fromPod) ?? [],
                AlsoProxy = parsed.GetValue(alsoProxy) ?? [],
                NeverProxy = parsed.GetValue(neverProxy) ?? [],
                Method = parsed.GetValue(method),
                Mount = parsed.GetValue(mount),
                MountWrite = parsed.GetValue(mountWrite),
                EnvFile = parsed.GetValue(envFile),
                EnvJson = parsed.GetValue(envJson),
                LogFile = parsed.GetValue(logfile),
                Verbose = parsed.GetValue(verbose),
                RunShell = parsed.GetValue(runShell),
                Run = run,
            };
            return await VerbRunner.RunAsync("", json: false, outputIsTaken: true, async terminal =>
            {
                using LaunchCommand launch = new(arguments, terminal);
                return await launch.RunAsync();
            });
        });
    }

    private static Option<string?> Text(string name, string helpName, string description, params string[] aliases) =>
        new(name, aliases) { Description = description, HelpName = helpName };

    private static Option<string[]> Many(string name, string helpName, string description) =>
        new(name) { Description = description, HelpName = helpName, Arity = ArgumentArity.OneOrMore };
}
