using System.Text.RegularExpressions;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>SPEC.md and the code must name the same things by the same numbers.</summary>
public sealed partial class SpecTests
{
    private static readonly string Spec = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src", "Tunnel", "Mux", "SPEC.md"));

    [Fact]
    public void The_table_of_frames_is_that_of_the_code()
    {
        string[] documented = [.. FrameRow().Matches(Spec).Select(row => $"{row.Groups[1].Value} {row.Groups[2].Value}")];
        string[] coded = [.. Enum.GetValues<FrameType>().Select(type => $"{(byte)type} {type.ToString().ToUpperInvariant()}")];
        Assert.Equal(coded, documented);
    }

    [Fact]
    public void The_kinds_are_those_of_the_code()
    {
        string expected = string.Join(", ", Enum.GetValues<StreamKind>().Select(kind => $"{(byte)kind} {kind.ToString().ToLowerInvariant()}"));
        Assert.Contains($"Kinds: {expected}.", Spec, StringComparison.Ordinal);
    }

    [Fact]
    public void The_codes_are_those_of_the_code()
    {
        string text = Spec[Spec.IndexOf("Codes: ", StringComparison.Ordinal)..].ReplaceLineEndings(" ");
        string[] documented = [.. text[7..text.IndexOf('.', StringComparison.Ordinal)].Split(", ").Select(code => code.Replace(" ", "", StringComparison.Ordinal))];
        string[] coded = [.. Enum.GetValues<RefuseCode>()
            .Where(code => code != RefuseCode.SessionEnded)
            .Select(code => $"{(byte)code}{code.ToString().Replace("Net", "Network", StringComparison.Ordinal).ToLowerInvariant()}")];
        Assert.Equal(coded, documented);
    }

    [Fact]
    public void The_refusals_are_those_of_the_code()
    {
        Assert.Contains("1 wrong version", Spec, StringComparison.Ordinal);
        foreach (HelloRefusal refusal in Enum.GetValues<HelloRefusal>().Where(refusal => refusal != HelloRefusal.None))
        {
            string words = WordStart().Replace(refusal.ToString(), " ").Trim().ToLowerInvariant();
            Assert.Contains($"{(byte)refusal} {words}", Spec.ReplaceLineEndings(" "), StringComparison.Ordinal);
        }
    }

    [GeneratedRegex(@"^\| (\d+) \| ([A-Z]+) \|", RegexOptions.Multiline)]
    private static partial Regex FrameRow();

    [GeneratedRegex(@"(?=[A-Z])")]
    private static partial Regex WordStart();
}
