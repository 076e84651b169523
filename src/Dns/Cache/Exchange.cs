namespace Telepresence.Dns.Cache;

/// <summary>
/// One question to one place: in flight, then answered. An exchange in the table *is* the cache entry, and one in flight is what later
/// identical questions join, so that caching and joining cannot disagree.
/// </summary>
internal sealed class Exchange
{
    // Key and answer: chained blocks, the key first.
    public int Block = BlockStore.None;
    public int KeyLength;
    public int MessageLength;

    // Table.
    public int Hash;
    public bool IsKeyed;
    public Exchange? NextInBucket;
    public Exchange? Older;
    public Exchange? Newer;

    /// <summary>Steps that hold on to this exchange.</summary>
    public int References;

    // Answer.
    public bool IsDone;
    public AnswerKind Kind;
    public long StoredAt;
    public long ExpiresAt;

    // Flight.
    public Place Place;
    public ushort Id;
    public byte[]? Query;
    public int QueryLength;
    public int Attempts;
    public int Server;
    public uint AskedServers;
    public bool OverTcp;

    /// <summary>Our own question whether this upstream leads back to us; it is meant for one server and sent once.</summary>
    public bool IsProbe;
    public long Deadline;
    public Exchange? PreviousPending;
    public Exchange? NextPending;
    public LookupStep? FirstWaiter;
    public LookupStep? LastWaiter;

    public void AddWaiter(LookupStep step)
    {
        step.PreviousWaiter = LastWaiter;
        step.NextWaiter = null;
        if (LastWaiter is null) FirstWaiter = step;
        else LastWaiter.NextWaiter = step;
        LastWaiter = step;
        step.IsWaiting = true;
    }

    public void RemoveWaiter(LookupStep step)
    {
        if (step.PreviousWaiter is null) FirstWaiter = step.NextWaiter;
        else step.PreviousWaiter.NextWaiter = step.NextWaiter;
        if (step.NextWaiter is null) LastWaiter = step.PreviousWaiter;
        else step.NextWaiter.PreviousWaiter = step.PreviousWaiter;
        step.PreviousWaiter = step.NextWaiter = null;
        step.IsWaiting = false;
    }
}
