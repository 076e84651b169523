namespace Telepresence.Cli.Launch;

/// <summary>Why the preload method cannot catch a program's connections. The numbers are those of native/preload/agent.h.</summary>
internal enum ProgramObstacle : byte
{
    /// <summary>It can.</summary>
    None = 0,

    /// <summary>There is no loader.</summary>
    Static = 1,

    /// <summary>The loader starts in secure mode, because the file gives rights: setuid, setgid, capabilities.</summary>
    GivesRights = 2,

    /// <summary>The Go compiler made it: such a program makes its system calls without the C library, even if it is linked with one.</summary>
    Go = 3,

    /// <summary>The shim is a 64-bit library.</summary>
    Is32Bit = 4,

    /// <summary>It is not an ELF program of this machine.</summary>
    NotElf = 5,

    /// <summary>Its C library is neither glibc nor musl.</summary>
    OtherLibc = 6,

    /// <summary>It sends packets that are neither TCP nor UDP; seen when it does.</summary>
    OtherPackets = 7,
}

/// <summary>The obstacles in words.</summary>
internal static class ProgramObstacles
{
    /// <summary>What the user is told, and what to do; null when there is no obstacle.</summary>
    internal static string? Sentence(this ProgramObstacle obstacle, string path) => obstacle switch
    {
        ProgramObstacle.Static => Outside(path, "is linked statically"),
        ProgramObstacle.GivesRights => Outside(path, "runs with rights that its file gives it (setuid, setgid or capabilities)"),
        ProgramObstacle.Go => Outside(path, "is written in Go and makes its system calls itself"),
        ProgramObstacle.Is32Bit => Outside(path, "is a 32-bit program"),
        ProgramObstacle.NotElf => Outside(path, "is not a program of this machine's kind"),
        ProgramObstacle.OtherLibc => Outside(path, "uses a C library that is neither glibc nor musl"),
        ProgramObstacle.OtherPackets => $"{path} sends packets that are neither TCP nor UDP, which --method preload does not carry: they are refused. --method netns carries ping.",
        _ => null,
    };

    private static string Outside(string path, string description) =>
        $"{path} {description}, so --method preload cannot catch it: it stays outside the cluster. --method netns catches every program.";
}
