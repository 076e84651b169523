using System.Buffers;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Objects;

/// <summary>A label selector: the text form of queries or the matchLabels/matchExpressions form of specs.</summary>
internal sealed class LabelSelector
{
    private static readonly SearchValues<char> NotInKeys = SearchValues.Create(" ()=!,");

    private readonly List<(string Key, string Operator, string[] Values)> _requirements = [];

    public bool IsEmpty => _requirements.Count == 0;

    /// <exception cref="ApiException">400 for a text that is not a selector.</exception>
    public static LabelSelector Parse(string? text)
    {
        var selector = new LabelSelector();
        foreach (var part in SplitOutsideBrackets(text ?? ""))
        {
            var term = part.Trim();
            if (term.Length > 0) selector._requirements.Add(ParseTerm(term));
        }
        return selector;
    }

    /// <summary>From a LabelSelector object; null selects nothing, an empty one everything.</summary>
    public static LabelSelector? FromSpec(JsonObject? spec)
    {
        if (spec is null) return null;
        var selector = FromMap(spec.Map("matchLabels"));
        foreach (var e in spec.Each("matchExpressions"))
            selector._requirements.Add((e.Str("key") ?? "", e.Str("operator") ?? "", [.. e.Strings("values")]));
        return selector;
    }

    public static LabelSelector FromMap(IReadOnlyDictionary<string, string> labels)
    {
        var selector = new LabelSelector();
        foreach (var (key, value) in labels) selector._requirements.Add((key, "In", [value]));
        return selector;
    }

    public bool Matches(JsonObject item) => Matches(item.Map("metadata", "labels"));

    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (key, op, values) in _requirements)
        {
            var has = labels.TryGetValue(key, out var value);
            var holds = op switch
            {
                "In" => has && values.Contains(value, StringComparer.Ordinal),
                "NotIn" => !has || !values.Contains(value, StringComparer.Ordinal),
                "Exists" => has,
                "DoesNotExist" => !has,
                _ => false,
            };
            if (!holds) return false;
        }
        return true;
    }

    private static (string, string, string[]) ParseTerm(string term)
    {
        var open = term.IndexOf('(', StringComparison.Ordinal);
        if (open > 0 && term.EndsWith(')'))
        {
            var words = term[..open].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] values = [.. term[(open + 1)..^1].Split(',').Select(v => v.Trim())];
            if (words is [var key, "in"]) return (Key(key), "In", values);
            if (words is [var other, "notin"]) return (Key(other), "NotIn", values);
            throw Unparsable(term);
        }
        if (term.StartsWith('!')) return (Key(term[1..]), "DoesNotExist", []);
        foreach (var (sign, op) in (ReadOnlySpan<(string, string)>)[("!=", "NotIn"), ("==", "In"), ("=", "In")])
        {
            var at = term.IndexOf(sign, StringComparison.Ordinal);
            if (at > 0) return (Key(term[..at]), op, [term[(at + sign.Length)..].Trim()]);
        }
        return (Key(term), "Exists", []);
    }

    private static string Key(string text)
    {
        var key = text.Trim();
        return key.Length > 0 && !key.AsSpan().ContainsAny(NotInKeys) ? key : throw Unparsable(text);
    }

    private static ApiException Unparsable(string term) =>
        ApiException.BadRequest($"unable to parse requirement: found '{term}', expected a label selector");

    private static IEnumerable<string> SplitOutsideBrackets(string text)
    {
        var (depth, start) = (0, 0);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '(') depth++;
            else if (text[i] == ')') depth--;
            else if (text[i] == ',' && depth == 0)
            {
                yield return text[start..i];
                start = i + 1;
            }
        }
        yield return text[start..];
    }
}

/// <summary>A field selector: metadata.name=x,status.phase!=Running over the object's own fields.</summary>
internal sealed class FieldSelector
{
    private readonly List<(string[] Path, bool Equal, string Value)> _terms = [];

    public static FieldSelector Parse(string? text)
    {
        var selector = new FieldSelector();
        foreach (var term in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = term.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0) throw ApiException.BadRequest($"invalid selector: '{term}'; can't understand '{term}'");
            var equal = term[at - 1] != '!';
            var value = term[(at + 1)..];
            if (value.StartsWith('=')) value = value[1..];
            selector._terms.Add((term[..(equal ? at : at - 1)].Split('.'), equal, value));
        }
        return selector;
    }

    public bool Matches(JsonObject item)
    {
        foreach (var (path, equal, value) in _terms)
        {
            if (((item.Str(path) ?? "") == value) != equal) return false;
        }
        return true;
    }

    /// <summary>The value that metadata.name must have, if the selector says so.</summary>
    public string? RequiredName => _terms.FirstOrDefault(t => t.Equal && t.Path is ["metadata", "name"]).Value;
}
