namespace Telepresence.EndToEnd.Harness;

/// <summary>
/// Questions asked with dig: again while the answer is that none could be had (SERVFAIL), as the system's own lookup asks again. What is
/// answered is judged by the test.
/// </summary>
internal static class Dig
{
    /// <summary>All that it prints.</summary>
    /// <param name="shell">Runs a line of shell where the question is to be asked.</param>
    /// <param name="arguments">What to ask.</param>
    public static Task<string> WholeAsync(Func<string, Task<CommandResult>> shell, string arguments) => Eventually.GivesAsync(
        $"there is an answer to dig {arguments}", async () => (await shell($"dig {arguments}")).Good(), static text => !text.Contains("status: SERVFAIL", StringComparison.Ordinal));

    /// <summary>What the records of the answer say, each in a line, as with <c>+short</c>, which would not tell a failure from an empty answer.</summary>
    public static async Task<string> ShortAsync(Func<string, Task<CommandResult>> shell, string arguments) => string.Join('\n',
        (await WholeAsync(shell, $"+noall +comments +answer {arguments}")).Split('\n').Where(static line => line.Length > 0 && line[0] != ';')
            .Select(static line => line.Split((char[]?)null, 5, StringSplitOptions.RemoveEmptyEntries)[4]));
}
