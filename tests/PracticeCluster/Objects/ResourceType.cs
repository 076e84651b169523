namespace Telepresence.PracticeCluster.Objects;

/// <summary>One kind of object that the API serves.</summary>
internal sealed record ResourceType(string Group, string Version, string Plural, string Kind, bool Namespaced)
{
    public string[] ShortNames { get; init; } = [];

    public string[] Categories { get; init; } = [];

    public bool HasStatus { get; init; }

    public bool HasScale { get; init; }

    /// <summary>Spec changes count up metadata.generation.</summary>
    public bool HasGeneration { get; init; }

    /// <summary>Only "create" works and nothing is stored (reviews).</summary>
    public bool Virtual { get; init; }

    public string Singular => Kind.ToLowerInvariant();

    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>pods, deployments.apps: how errors name it.</summary>
    public string QualifiedName => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    public bool Equals(ResourceType? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => QualifiedName.GetHashCode(StringComparison.Ordinal);
}
