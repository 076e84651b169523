using System.Globalization;

namespace Telepresence.EndToEnd.Harness;

/// <summary>
/// A session of the form without a verb that runs bash, which this hands commands one after another: so a session's start is paid for once
/// by many tests.
/// </summary>
internal sealed class TreeShell : IAsyncDisposable
{
    /// <summary>For scripts that wait for something which may itself take the usual minute.</summary>
    public static readonly TimeSpan LongPatience = TimeSpan.FromMinutes(2);

    private readonly RunningCommand _session;
    private readonly string _directory;
    private int _last;
    private bool _ended;

    private TreeShell(LaptopUser user, RunningCommand session, string directory)
    {
        User = user;
        _session = session;
        _directory = directory;
    }

    /// <summary>Who started it.</summary>
    public LaptopUser User { get; }

    /// <summary>The laptop that it runs on.</summary>
    public Laptop Laptop => User.Laptop;

    /// <summary>What the session itself said so far.</summary>
    public string Said => _session.SoFar;

    /// <summary>Starts a session, which must work.</summary>
    /// <param name="user">Who starts it.</param>
    /// <param name="options">All but <c>--run</c>.</param>
    public static async Task<TreeShell> StartAsync(LaptopUser user, params string[] options)
    {
        string directory = user.At($".shell-{Guid.NewGuid():N}");
        (await user.RunAsync("mkdir", directory)).Good();
        RunningCommand session = user.BeginWithInput(user.Telepresence([.. options, "--run", "bash"]));
        TreeShell shell = new(user, session, directory);
        await session.SaysAsync("Setup complete. Launching your command.");
        Assert.Equal("ready", (await shell.RunAsync("echo ready")).Good());
        return shell;
    }

    /// <summary>Runs a script in the session.</summary>
    public Task<CommandResult> RunAsync(string script) => Begin(script).Result;

    /// <summary>Starts a script in the session, beside which others may run.</summary>
    /// <param name="script">The script.</param>
    /// <param name="patience">How long it may take, where a minute is not enough.</param>
    public (Task<CommandResult> Result, Func<string> SoFar) Begin(string script, TimeSpan? patience = null)
    {
        string files = string.Create(CultureInfo.InvariantCulture, $"{_directory}/{++_last}"), visible = Laptop.Visible(files);
        File.WriteAllText(visible + ".sh", script);
        _session.Input.WriteLine($"{{ bash {files}.sh >{files}.out 2>{files}.err </dev/null; echo $? >{files}.code; }} &");
        _session.Input.Flush();
        return (WaitAsync(), () => File.Exists(visible + ".out") ? File.ReadAllText(visible + ".out") : "");

        async Task<CommandResult> WaitAsync()
        {
            string code = await Eventually.GivesAsync($"this ends in the session: {script}", Look, static text => text.EndsWith('\n'), () => Said, patience);
            return new CommandResult(script, int.Parse(code, CultureInfo.InvariantCulture), File.ReadAllText(visible + ".out"), File.ReadAllText(visible + ".err"));
        }

        Task<string> Look() => Task.FromResult(
            File.Exists(visible + ".code") ? File.ReadAllText(visible + ".code") : _session.HasEnded ? throw new InvalidOperationException($"The session has ended: {Said}") : "");
    }

    /// <summary>
    /// Starts a server in the session that answers one HTTP request and ends. Who asks it must not give up before the test does, since the
    /// answer is gone then.
    /// </summary>
    /// <param name="listen">An address of socat, such as <c>TCP4-LISTEN:8080,bind=127.0.0.1</c>.</param>
    /// <param name="text">The answer.</param>
    public Task<CommandResult> ServeOnce(string listen, string text) => Begin(OnceServer(listen, text), LongPatience).Result;

    /// <summary>Shell that does so.</summary>
    internal static string OnceServer(string listen, string text) => $"printf 'HTTP/1.0 200 OK\r\n\r\n{text}' | timeout 110 socat -t 50 - {listen},reuseaddr";

    /// <summary>Lets bash end, and with it the session.</summary>
    public Task<CommandResult> EndAsync()
    {
        _session.Input.Close();
        return EndedAsync();
    }

    /// <summary>Waits for the session's end.</summary>
    public async Task<CommandResult> EndedAsync()
    {
        CommandResult result = await _session.EndAsync();
        _ended = true;
        return result;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended)
            await EndAsync();
    }
}
