using Telepresence.Dns.Wire;

namespace Telepresence.Dns.Cache;

/// <summary>A client's question that is being answered: the question, and the tries in the order in which their answers count.</summary>
internal sealed class Lookup
{
    /// <summary>Longest question that is accepted, in bytes: name, OPT, and options such as cookie and padding.</summary>
    public const int MaxQuery = 1024;

    public const int MaxSteps = DnsRules.MaxSearch + 3;

    public readonly byte[] Query = new byte[MaxQuery];
    public readonly byte[] LowerName = new byte[DnsName.MaxLength];
    public readonly LookupStep[] Steps = new LookupStep[MaxSteps];

    public DnsClientToken Client;
    public int QueryLength;
    public DnsEdns Edns;
    public byte[]? Target;
    public DnsRules Rules = null!;

    /// <summary>The answer belongs to this client alone (EDNS options, a signature).</summary>
    public bool IsPrivate;

    public int StepCount;
    public int StageCount;
    public int StagesStarted;

    /// <summary>No upstream had to be asked so far.</summary>
    public bool OnlyCached;

    public long HedgeDeadline;
    public bool IsHedging;
    public Lookup? PreviousHedging;
    public Lookup? NextHedging;

    public Lookup()
    {
        for (var i = 0; i < MaxSteps; i++) Steps[i] = new LookupStep(this);
    }

    public void Begin(in DnsClientToken client, ReadOnlySpan<byte> query, in DnsEdns edns, DnsRules rules, byte[]? target)
    {
        Client = client;
        query.CopyTo(Query);
        QueryLength = query.Length;
        Edns = edns;
        Rules = rules;
        Target = target;
        IsPrivate = edns.HasOptions || edns.IsSigned || edns.Version != 0;
        StepCount = StageCount = StagesStarted = 0;
        OnlyCached = true;
    }

    public void AddStage(Place place) => Add(StageCount++, place, LookupStep.NoSuffix);

    public void AddSearchStage(bool thenAsItIs)
    {
        for (var i = 0; i < Rules.Search.Length; i++) Add(StageCount, Place.Cluster, i);
        if (thenAsItIs) Add(StageCount, Place.Cluster, LookupStep.NoSuffix);
        StageCount++;
    }

    /// <summary>Whether a step comes after this one, so that its negative answer is not the last word.</summary>
    public bool HasAlternative(LookupStep step) => StepCount > 1 && !ReferenceEquals(Steps[StepCount - 1], step);

    private void Add(int stage, Place place, int suffix)
    {
        var step = Steps[StepCount++];
        step.Stage = stage;
        step.Place = place;
        step.Suffix = suffix;
        step.State = StepState.Planned;
    }
}
