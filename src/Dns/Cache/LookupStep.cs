namespace Telepresence.Dns.Cache;

/// <summary>One try of a <see cref="Lookup"/>: a name (the question's own or with a search suffix) in one place.</summary>
internal sealed class LookupStep(Lookup lookup)
{
    public const int NoSuffix = -1;

    public readonly Lookup Lookup = lookup;

    public int Stage;
    public Place Place;

    /// <summary>Index into the search list, or <see cref="NoSuffix"/>.</summary>
    public int Suffix;

    public StepState State;

    public Exchange? Exchange;

    /// <summary>The question for the other address type, see <see cref="StepState.AskingSibling"/>.</summary>
    public Exchange? Sibling;

    public bool IsWaiting;
    public LookupStep? PreviousWaiter;
    public LookupStep? NextWaiter;

    public bool IsPending => State is StepState.Asking or StepState.AskingSibling;

    public bool IsWinner => State is StepState.Positive or StepState.NoDataHere;
}
