using System.Globalization;
using System.Text.RegularExpressions;

using Telepresence.Rig.Load;

namespace Telepresence.Rig.Run;

/// <summary>Reads what wrk prints.</summary>
internal static partial class WrkReport
{
    internal static LoadResult Parse(string output)
    {
        Match rate = Rate().Match(output);
        if (!rate.Success)
            throw new IOException($"wrk said: {output.Trim()}");
        Match errors = Errors().Match(output);
        double failures = errors.Success ? errors.Groups.Values.Skip(1).Sum(static group => double.Parse(group.Value, CultureInfo.InvariantCulture)) : 0;
        return new LoadResult().With("perSecond", double.Parse(rate.Groups[1].Value, CultureInfo.InvariantCulture)).With("failures", failures);
    }

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Rate();

    [GeneratedRegex(@"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")]
    private static partial Regex Errors();
}
