using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// Makes this process the parent of every descendant that loses its own, PR_SET_CHILD_SUBREAPER(2const): a daemon in a container's namespaces
/// is found by its ancestors alone.
/// </summary>
/// <remarks>
/// An adopted child that ends has to be waited for, or it keeps its number. It cannot be told from a child of which somebody here waits for
/// the end; but that is waited for at once, so that whoever has ended and is still there at the next look is an orphan.
/// </remarks>
internal sealed unsafe partial class Orphans : IDisposable
{
    private const int PR_SET_CHILD_SUBREAPER = 36, WNOHANG = 1;

    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(10);

    private readonly Timer _timer;
    private IReadOnlyList<int> _seen = [];

    private Orphans() => _timer = new Timer(_ => Look(), null, Pace, Pace);

    /// <summary>Adopts from now on.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static Orphans Adopt() =>
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? new Orphans() : throw Posix.Failure("PR_SET_CHILD_SUBREAPER");

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        IReadOnlyList<int> ended = TreeProcesses.EndedChildren();
        foreach (int id in ended.Intersect(_seen))
            _ = waitpid(id, null, WNOHANG);
        _seen = ended;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int prctl(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc")]
    private static partial int waitpid(int id, int* status, int options);
}
