namespace Telepresence.EndToEnd.Harness;

/// <summary>How a command on a laptop ended.</summary>
/// <param name="Line">The command, for messages.</param>
/// <param name="ExitCode">As a shell would see it; 124 when it took longer than it may.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CommandResult(string Line, int ExitCode, string Output, string Error)
{
    /// <summary>What it printed to both, for messages and searches.</summary>
    public string Everything => Output + Error;

    /// <summary>Checks that it succeeded.</summary>
    /// <returns>Standard output without the last line's end.</returns>
    public string Good()
    {
        Assert.True(ExitCode == 0, ToString());
        return Output.TrimEnd('\n');
    }

    /// <summary>
    /// Checks that it ended with an exit code and said one sentence about it on standard error, in the last line, and no stack trace.
    /// </summary>
    /// <param name="exitCode">From the table of exit codes.</param>
    /// <param name="parts">What the sentence must name.</param>
    public void Refused(int exitCode, params string[] parts)
    {
        Assert.True(ExitCode == exitCode, $"exit code {exitCode} was expected; {this}");
        string[] lines = Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length > 0, $"a sentence was expected; {this}");
        Assert.Matches("^telepresence( [a-z]+)?: error: .+", lines[^1]);
        Assert.True(lines.Count(static line => line.Contains("error:", StringComparison.Ordinal)) == 1, $"one error was expected; {this}");
        foreach (string part in parts)
            Assert.Contains(part, lines[^1], StringComparison.Ordinal);
        Assert.DoesNotMatch(@"(?m)^\s+at \w|Exception\b", Everything);
    }

    public override string ToString() => $"$ {Line}\nexit code {ExitCode}\n{Output}\n-- standard error:\n{Error}";
}
