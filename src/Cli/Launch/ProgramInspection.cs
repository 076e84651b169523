using System.Text;

namespace Telepresence.Cli.Launch;

/// <summary>How a program is linked.</summary>
internal enum ProgramLinkage
{
    /// <summary>With an interpreter: the loader runs first, and takes LD_PRELOAD into account.</summary>
    Dynamic,

    /// <summary>Without an interpreter (no PT_INTERP).</summary>
    Static,

    /// <summary>Not an ELF file, or one for other machines.</summary>
    Unknown,
}

/// <summary>The C library that a program's interpreter belongs to.</summary>
internal enum ProgramLibc
{
    /// <summary>None, or one that is not known.</summary>
    None,

    /// <summary>GNU libc.</summary>
    Glibc,

    /// <summary>musl.</summary>
    Musl,
}

/// <summary>What a program is, as far as the choice of a method goes. Reads files; starts nothing.</summary>
internal sealed record ProgramInspection
{
    private const int MaxScripts = 4, MaxScriptLine = 255;

    /// <summary>The file that the kernel would load: of a script, its interpreter.</summary>
    internal required string Path { get; init; }

    /// <summary>The script that led to it, or null.</summary>
    internal string? Script { get; init; }

    /// <summary>How it is linked.</summary>
    internal ProgramLinkage Linkage { get; init; }

    /// <summary>Its C library.</summary>
    internal ProgramLibc Libc { get; init; }

    /// <summary>Whether its loader starts in secure mode, without LD_PRELOAD, because the file gives rights that who starts it does not have:
    /// setuid, setgid, capabilities.</summary>
    internal bool GivesRights { get; init; }

    /// <summary>Whether the Go compiler made it: such a program makes its system calls without the C library, even if it is linked with one.</summary>
    internal bool IsGo { get; init; }

    /// <summary>Whether it is of the same word size as this machine's programs; the shim is.</summary>
    internal bool IsNative { get; init; } = true;

    /// <summary>Why the preload method cannot catch the program's connections.</summary>
    internal ProgramObstacle PreloadObstacle => this switch
    {
        { GivesRights: true } => ProgramObstacle.GivesRights,
        { IsGo: true } => ProgramObstacle.Go,
        { Linkage: ProgramLinkage.Static } => ProgramObstacle.Static,
        { IsNative: false } => ProgramObstacle.Is32Bit,
        { Linkage: ProgramLinkage.Unknown } => ProgramObstacle.NotElf,
        { Libc: ProgramLibc.None } => ProgramObstacle.OtherLibc,
        _ => ProgramObstacle.None,
    };

    /// <summary>What the user is told when the preload method is used all the same; null when there is nothing to say.</summary>
    internal string? PreloadWarning => PreloadObstacle.Sentence(Path);

    /// <summary>Looks a command up as a shell does, follows scripts to their interpreters, and reads the ELF file at the end.</summary>
    /// <param name="command">A name, or a path if it has a slash.</param>
    /// <param name="searchPath">PATH, or null.</param>
    /// <param name="asRoot">Whether root starts it, to whom most files have nothing to give.</param>
    /// <returns>Null when there is no such program, or it cannot be read.</returns>
    internal static ProgramInspection? Find(string command, string? searchPath, bool asRoot)
    {
        string? path = Resolve(command, searchPath);
        string? script = null;
        for (int depth = 0; path is not null && depth < MaxScripts; depth++)
        {
            if (ReadInterpreterLine(path) is not [string interpreter, .. string[] arguments])
                return Inspect(path, script, asRoot);
            script ??= path;

            // "#!/usr/bin/env [-S] [NAME=VALUE] python3": the program is the one that env finds.
            string? named = System.IO.Path.GetFileName(interpreter) == "env"
                ? arguments.FirstOrDefault(static word => !word.StartsWith('-') && !word.Contains('=', StringComparison.Ordinal))
                : null;
            path = Resolve(named ?? interpreter, searchPath);
        }

        return null;
    }

    private static ProgramInspection? Inspect(string path, string? script, bool asRoot)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            ElfFile? elf = ElfFile.Read(file);
            UnixFileMode mode = File.GetUnixFileMode(path);
            return new ProgramInspection
            {
                Path = path,
                Script = script,
                Linkage = elf is null ? ProgramLinkage.Unknown : elf.Interpreter is null ? ProgramLinkage.Static : ProgramLinkage.Dynamic,
                Libc = LibcOf(elf?.Interpreter),
                GivesRights = (mode & UnixFileMode.SetGroup) != 0 || (!asRoot && ((mode & UnixFileMode.SetUser) != 0 || FileCapabilities.Has(path))),
                IsGo = elf?.IsGo ?? false,
                IsNative = elf?.Is64Bit ?? true,
            };
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static ProgramLibc LibcOf(string? interpreter)
    {
        string name = interpreter is null ? "" : System.IO.Path.GetFileName(interpreter);
        if (name.StartsWith("ld-musl-", StringComparison.Ordinal))
            return ProgramLibc.Musl;
        return name.StartsWith("ld-linux", StringComparison.Ordinal) || name.StartsWith("ld64", StringComparison.Ordinal) || name == "ld.so.1"
            ? ProgramLibc.Glibc
            : ProgramLibc.None;
    }

    private static string? Resolve(string command, string? searchPath)
    {
        if (command.Contains('/', StringComparison.Ordinal))
            return IsProgram(command) ? FollowLinks(command) : null;
        string? found = (searchPath ?? "").Split(':')
            .Select(directory => System.IO.Path.Combine(directory.Length == 0 ? "." : directory, command))
            .FirstOrDefault(IsProgram);
        return found is null ? null : FollowLinks(found);
    }

    private static bool IsProgram(string path) =>
        File.Exists(path) && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;

    private static string FollowLinks(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            return path;
        }
    }

    // Null when it is no script. The kernel reads 255 bytes.
    private static string[]? ReadInterpreterLine(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] start = new byte[MaxScriptLine];
            int length = file.ReadAtLeast(start, MaxScriptLine, throwOnEndOfStream: false);
            if (length < 3 || start[0] != '#' || start[1] != '!')
                return null;
            string line = Encoding.UTF8.GetString(start, 2, length - 2).Split('\n')[0];
            string[] words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            return words.Length > 0 ? words : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
