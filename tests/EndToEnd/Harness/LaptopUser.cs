using Telepresence.PracticeCluster.Node;

namespace Telepresence.EndToEnd.Harness;

/// <summary>Somebody at a laptop: runs commands there in their home directory, with the environment that a login gives them.</summary>
internal sealed class LaptopUser
{
    private const int NoSession = 83;
    private readonly Laptop _laptop;
    private readonly Person _person;
    private readonly Dictionary<string, string> _environment;

    internal LaptopUser(Laptop laptop, Person person)
    {
        _laptop = laptop;
        _person = person;
        _environment = new Dictionary<string, string>(laptop.Environment, StringComparer.Ordinal);
        _environment["SHELL"] = "/bin/bash";
        _environment["USER"] = _environment["LOGNAME"] = Name;
        if (person == Person.Root)
            return;
        _environment.Remove("KUBECONFIG"); // in its usual place
        _environment["HOME"] = Home;
        _environment["XDG_RUNTIME_DIR"] = $"/run/user/{LaptopNamespaces.Uid}";
    }

    /// <summary>Their name.</summary>
    public string Name => _person == Person.Root ? "root" : LaptopNamespaces.User;

    /// <summary>Their home, as the laptop knows it.</summary>
    public string Home => _person == Person.Root ? _laptop.Home : $"/home/{LaptopNamespaces.User}";

    /// <summary>What their commands find in their environment.</summary>
    public IDictionary<string, string> Environment => _environment;

    /// <summary>The laptop.</summary>
    public Laptop Laptop => _laptop;

    /// <summary>A path in their home, as the laptop knows it.</summary>
    public string At(string name) => $"{Home}/{name}";

    /// <summary>Reads a file of the laptop.</summary>
    public string Read(string path) => File.ReadAllText(_laptop.Visible(path));

    /// <summary>Writes a file of theirs in their home.</summary>
    public async Task<string> WriteAsync(string name, string text)
    {
        string path = At(name), visible = _laptop.Visible(path);
        Directory.CreateDirectory(Path.GetDirectoryName(visible)!);
        await File.WriteAllTextAsync(visible, text);
        (await _laptop.RunAsync("chown", "-R", $"{Name}:", At(name.Split('/')[0]))).Good();
        return path;
    }

    /// <summary>Runs a program to its end.</summary>
    public Task<CommandResult> RunAsync(params string[] command) => Begin(command).EndAsync();

    /// <summary>Runs a line of shell.</summary>
    public Task<CommandResult> ShellAsync(string script) => RunAsync("bash", "-c", script);

    /// <summary>Runs the program under test.</summary>
    public Task<CommandResult> TelepresenceAsync(params string[] arguments) => RunAsync(Telepresence(arguments));

    /// <summary>Runs a command that joins a session, again while it finds none: one that is too busy to answer is passed over.</summary>
    public Task<CommandResult> JoinAsync(params string[] command) =>
        Eventually.GivesAsync("there is a session to join", () => RunAsync(command), static result => result.ExitCode != NoSession);

    /// <summary>Starts the program under test and does not wait for it.</summary>
    public RunningCommand BeginTelepresence(params string[] arguments) => Begin(Telepresence(arguments));

    /// <summary>Starts a program and does not wait for it.</summary>
    public RunningCommand Begin(params string[] command) => _laptop.Begin(Line(command), _environment, keepInput: false);

    /// <summary>Starts a program whose standard input stays open.</summary>
    public RunningCommand BeginWithInput(params string[] command) => _laptop.Begin(Line(command), _environment, keepInput: true);

    /// <summary>Starts a program in a terminal of its own.</summary>
    public TerminalWindow Open(params string[] command) => _laptop.Open(Line(command), _environment, Name);

    /// <summary>The command line of the program under test, as this person types it.</summary>
    public string[] Telepresence(params string[] arguments) =>
        _person == Person.JaneWithSudo ? ["sudo", "--preserve-env=TELEPRESENCE_LOG_DIR", PracticeClusterFixture.Program, .. arguments] : [PracticeClusterFixture.Program, .. arguments];

    private string[] Line(string[] command) =>
        _person == Person.Root
            ? ["env", $"--chdir={Home}", .. command]
            : ["setpriv", $"--reuid={LaptopNamespaces.Uid}", $"--regid={LaptopNamespaces.Uid}", "--init-groups", "env", $"--chdir={Home}", .. command];
}
