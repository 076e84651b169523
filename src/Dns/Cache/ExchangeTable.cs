namespace Telepresence.Dns.Cache;

/// <summary>
/// Exchanges by key, answered ones in order of last use. Bounded twice, by number and by bytes; the least recently used answer that
/// nobody holds makes room.
/// </summary>
internal sealed class ExchangeTable(int maxExchanges, int cacheBytes)
{
    private readonly BlockStore _store = new(cacheBytes);
    private readonly Exchange?[] _buckets = new Exchange?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)maxExchanges)];
    private readonly Stack<Exchange> _pool = new();
    private Exchange? _oldest;
    private Exchange? _newest;

    /// <summary>Exchanges that exist: kept, in flight, or still held.</summary>
    public int Count { get; private set; }

    public int FreeBlocks => _store.FreeBlocks;

    public Exchange? Find(ReadOnlySpan<byte> key)
    {
        var hash = Hash(key);
        for (var exchange = _buckets[hash & (_buckets.Length - 1)]; exchange is not null; exchange = exchange.NextInBucket)
            if (exchange.Hash == hash && exchange.KeyLength == key.Length && _store.Head(exchange.Block)[..key.Length].SequenceEqual(key))
                return exchange;
        return null;
    }

    /// <summary>Makes an exchange; with an empty key one that cannot be found.</summary>
    /// <returns>Null if everything is in use.</returns>
    public Exchange? Add(ReadOnlySpan<byte> key)
    {
        while (Count >= maxExchanges)
            if (!EvictOne())
                return null;
        if (!MakeRoom(1)) return null;
        if (!_pool.TryPop(out var exchange)) exchange = new Exchange();
        exchange.Block = _store.Take(1);
        exchange.KeyLength = key.Length;
        exchange.MessageLength = 0;
        exchange.IsDone = false;
        exchange.Kind = AnswerKind.None;
        exchange.References = 0;
        exchange.IsProbe = false;
        Count++;
        if (key.IsEmpty) return exchange;
        key.CopyTo(_store.Head(exchange.Block));
        exchange.Hash = Hash(key);
        ref var bucket = ref _buckets[exchange.Hash & (_buckets.Length - 1)];
        exchange.NextInBucket = bucket;
        exchange.IsKeyed = true;
        bucket = exchange;
        return exchange;
    }

    /// <summary>Stores the answer; false if there is no room even after dropping everything unused.</summary>
    public bool Store(Exchange exchange, ReadOnlySpan<byte> message)
    {
        var blocks = BlockStore.BlocksFor(exchange.KeyLength + message.Length);
        var present = BlockStore.BlocksFor(exchange.KeyLength + exchange.MessageLength);
        if (blocks > present)
        {
            if (!MakeRoom(blocks - present)) return false;
            _store.Extend(exchange.Block, blocks);
        }
        exchange.MessageLength = Math.Max(message.Length, exchange.MessageLength);
        _store.Write(exchange.Block, exchange.KeyLength, message);
        exchange.MessageLength = message.Length;
        return true;
    }

    public void Load(Exchange exchange, Span<byte> destination) =>
        _store.Read(exchange.Block, exchange.KeyLength, destination[..exchange.MessageLength]);

    /// <summary>Marks an answered exchange as just used.</summary>
    public void Touch(Exchange exchange)
    {
        if (!exchange.IsKeyed || !exchange.IsDone || ReferenceEquals(_newest, exchange)) return;
        if (exchange.Older is not null || exchange.Newer is not null || ReferenceEquals(_oldest, exchange)) Unlink(exchange);
        exchange.Older = _newest;
        if (_newest is null) _oldest = exchange;
        else _newest.Newer = exchange;
        _newest = exchange;
    }

    /// <summary>Takes an exchange out of the table; it is freed as soon as nobody holds it and it is no longer in flight.</summary>
    public void Forget(Exchange exchange)
    {
        if (exchange.IsKeyed)
        {
            ref var link = ref _buckets[exchange.Hash & (_buckets.Length - 1)];
            while (!ReferenceEquals(link, exchange)) link = ref link!.NextInBucket;
            link = exchange.NextInBucket;
            exchange.NextInBucket = null;
            exchange.IsKeyed = false;
            if (exchange.Older is not null || exchange.Newer is not null || ReferenceEquals(_oldest, exchange)) Unlink(exchange);
        }
        FreeIfUnused(exchange);
    }

    public void Release(Exchange exchange)
    {
        exchange.References--;
        FreeIfUnused(exchange);
    }

    /// <summary>Forgets all answers.</summary>
    public void Clear()
    {
        while (_oldest is not null) Forget(_oldest);
    }

    private void FreeIfUnused(Exchange exchange)
    {
        if (exchange.References != 0 || exchange.IsKeyed || !exchange.IsDone || exchange.Block == BlockStore.None) return;
        _store.Return(exchange.Block);
        exchange.Block = BlockStore.None;
        Count--;
        _pool.Push(exchange);
    }

    private bool MakeRoom(int blocks)
    {
        while (_store.FreeBlocks < blocks)
            if (!EvictOne())
                return false;
        return true;
    }

    private bool EvictOne()
    {
        var candidate = _oldest;
        while (candidate is not null && candidate.References != 0) candidate = candidate.Newer;
        if (candidate is null) return false;
        Forget(candidate);
        return true;
    }

    private void Unlink(Exchange exchange)
    {
        if (exchange.Older is null) _oldest = exchange.Newer;
        else exchange.Older.Newer = exchange.Newer;
        if (exchange.Newer is null) _newest = exchange.Older;
        else exchange.Newer.Older = exchange.Older;
        exchange.Older = exchange.Newer = null;
    }

    private static int Hash(ReadOnlySpan<byte> key)
    {
        // HashCode is seeded per process, so that nobody can choose names that meet in one bucket.
        var hash = default(HashCode);
        hash.AddBytes(key);
        return hash.ToHashCode();
    }
}
