using System.Text;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Engine;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Preload;

/// <summary>
/// The method for machines where a process tree cannot have a network namespace: a shim in every dynamically linked program (native/preload)
/// sends remote connections and names to an agent in this process.
/// </summary>
/// <remarks>
/// A program that the shim cannot be in is named: the first by <see cref="ProgramInspection"/>, before it is started, and those that it
/// starts through <see cref="PreloadOptions.Notice"/>.
/// </remarks>
internal sealed class PreloadMethod : IAsyncDisposable
{
    private const int Backlog = 1024, MaxPath = 107;

    private readonly ConnectEngine _engine;
    private readonly PreloadAgent _agent;
    private readonly PreloadOptions _options;
    private readonly string _socket;
    private readonly string _library;

    private PreloadMethod(ConnectEngine engine, PreloadAgent agent, PreloadOptions options, string socket, string library)
    {
        _engine = engine;
        _agent = agent;
        _options = options;
        _socket = socket;
        _library = library;
    }

    /// <summary>Starts the agent. The engine's network must be attached before, and its session may come and go.</summary>
    /// <exception cref="UserError">The machine's C library is too old, the library is missing, or the directory cannot be used.</exception>
    internal static async Task<PreloadMethod> StartAsync(ConnectEngine engine, PreloadOptions options)
    {
        GlibcVersion.Require(GlibcVersion.Running);
        Directory.CreateDirectory(options.Directory, DaemonPaths.Private);
        string library = PreloadLibrary.Place(options.Library, options.Directory);
        string path = Path.Combine(options.Directory, "preload.sock");
        if (Encoding.UTF8.GetByteCount(path) > MaxPath)
            throw new UserError(ExitCode.LocalNetwork, $"The path {path} is longer than a socket's may be ({MaxPath} bytes). Set TMPDIR to a shorter one.");
        FileDescriptor listener = Listen(path);
        try
        {
            PreloadAgent agent = await engine.AddServiceAsync(scope => new PreloadAgent(scope, listener, options));
            return new PreloadMethod(engine, agent, options, path, library);
        }
        catch
        {
            listener.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>The variables that put a program behind the shim; the program's children inherit them.</summary>
    /// <param name="loaderVariable">What LD_PRELOAD is already, or null; it is kept.</param>
    internal IReadOnlyDictionary<string, string> Variables(string? loaderVariable) =>
        PreloadEnvironment.Create(_library, _socket, _agent.Names, Nsswitch(), loaderVariable);

    /// <summary>Stops the agent; before the engine is disposed of. Nothing new is reached any more; connections that stand last as long as the
    /// engine.</summary>
    public async ValueTask DisposeAsync()
    {
        await _engine.InvokeAsync(_ =>
        {
            _agent.Dispose();
            return true;
        });
        File.Delete(_socket);
    }

    private string Nsswitch()
    {
        try
        {
            return File.ReadAllText(_options.Nsswitch);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    // Nobody can connect before it listens, and by then it is the owner's alone.
    private static unsafe FileDescriptor Listen(string path)
    {
        File.Delete(path);
        FileDescriptor socket = new(Libc.socket(Libc.AF_UNIX, Posix.SOCK_SEQPACKET | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0));
        try
        {
            if (socket.IsInvalid)
                throw Libc.Failure("socket");
            byte[] address = [Libc.AF_UNIX, 0, .. Encoding.UTF8.GetBytes(path), 0];
            fixed (byte* at = address)
            {
                if (Libc.bind(socket.Number, at, (uint)address.Length) != 0)
                    throw Libc.Failure("bind");
            }

            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return Libc.listen(socket.Number, Backlog) == 0 ? socket : throw Libc.Failure("listen");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new UserError(ExitCode.LocalNetwork, $"{path} could not be made: {fault.Message.TrimEnd('.')}.", fault);
        }
    }
}
