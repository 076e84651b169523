using System.Text.Json;

namespace Telepresence.Rig.Load;

/// <summary>What a load generator measured: figures by name. Printed as one line of JSON, the last one.</summary>
internal sealed class LoadResult
{
    internal Dictionary<string, double> Figures { get; private init; } = [];

    internal LoadResult With(string name, double value)
    {
        Figures[name] = value;
        return this;
    }

    internal string ToJson() => JsonSerializer.Serialize(Figures);

    internal static LoadResult FromJson(string json) =>
        new() { Figures = JsonSerializer.Deserialize<Dictionary<string, double>>(json) ?? throw new JsonException("No figures.") };
}
