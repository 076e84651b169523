using System.Text.Json;
using System.Text.Json.Serialization;

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

    internal string ToJson() => JsonSerializer.Serialize(Figures, FiguresJson.Default.DictionaryStringDouble);

    internal static LoadResult FromJson(string json) =>
        new() { Figures = JsonSerializer.Deserialize(json, FiguresJson.Default.DictionaryStringDouble) ?? throw new JsonException("No figures.") };
}

/// <summary>JSON of a <see cref="LoadResult"/>: one line.</summary>
[JsonSerializable(typeof(Dictionary<string, double>))]
internal sealed partial class FiguresJson : JsonSerializerContext;
