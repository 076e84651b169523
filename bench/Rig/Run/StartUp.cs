using System.Diagnostics;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>How long the program itself takes to start, say something and end; as it is installed, in a namespace of nobody's.</summary>
internal static class StartUp
{
    private const int Repetitions = 15;

    /// <summary>The path's name in the samples.</summary>
    internal const string Path = "program";

    /// <summary>Verbs by measure.</summary>
    internal static readonly (string Measure, string[] Arguments)[] All = [("start-version", ["--version"]), ("start-status", ["status"]), ("start-help", ["--help"])];

    /// <summary>The median of several starts.</summary>
    /// <param name="program">The program.</param>
    /// <param name="home">An empty directory for its files.</param>
    /// <param name="arguments">Which verb.</param>
    internal static async Task<LoadResult> MeasureAsync(string program, string home, string[] arguments)
    {
        List<double> times = [];
        for (int i = 0; i <= Repetitions; i++)
        {
            ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (string variable in (string[])["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"])
                start.Environment[variable] = home;
            long begin = Stopwatch.GetTimestamp();
            using Process process = Process.Start(start) ?? throw new IOException($"{program} did not start.");
            await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync();
            if (process.ExitCode != 0)
                throw new IOException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}.");

            // The first one reads the files.
            if (i > 0)
                times.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }

        times.Sort();
        return new LoadResult().With("milliseconds", times[times.Count / 2]);
    }
}
