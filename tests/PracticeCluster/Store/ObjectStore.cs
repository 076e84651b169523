using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Telepresence.PracticeCluster.Objects;

namespace Telepresence.PracticeCluster.Store;

internal enum ChangeKind
{
    Added,
    Modified,
    Deleted,
}

/// <summary>One change; <paramref name="Old"/> is null for Added, <paramref name="Item"/> is the last state for Deleted.</summary>
internal sealed record Change(long Revision, ChangeKind Kind, ResourceType Type, JsonObject Item, JsonObject? Old);

/// <summary>
/// All objects, in memory, under one lock. Every write takes the next revision of the whole store, as etcd does, and is
/// remembered for a while so that a watch can start from a past revision. Objects that are in the store never change:
/// a writer gets a copy and puts it in the place of the old one.
/// </summary>
internal sealed class ObjectStore
{
    private const int HistoryLimit = 20_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<ResourceType, SortedDictionary<string, JsonObject>> _items = [];
    private readonly Queue<Change> _history = new();
    private readonly List<Subscription> _subscriptions = [];
    private long _revision = 1000;
    private long _oldest = 1000;

    public long Revision
    {
        get
        {
            lock (_gate) return _revision;
        }
    }

    public JsonObject? Get(ResourceType type, string namespaceName, string name)
    {
        lock (_gate) return Table(type).GetValueOrDefault(Key(namespaceName, name));
    }

    /// <summary>All of a type, in order of namespace and name; an empty namespace means all of them.</summary>
    public IReadOnlyList<JsonObject> List(ResourceType type, string namespaceName = "") => List(type, namespaceName, out _);

    public IReadOnlyList<JsonObject> List(ResourceType type, string namespaceName, out long revision)
    {
        lock (_gate)
        {
            revision = _revision;
            return [.. Table(type).Values.Where(i => namespaceName.Length == 0 || i.Namespace() == namespaceName)];
        }
    }

    /// <summary>Runs several reads and writes as one.</summary>
    public T Atomically<T>(Func<T> work)
    {
        lock (_gate) return work();
    }

    /// <exception cref="ApiException">409 when the name is taken.</exception>
    public JsonObject Add(ResourceType type, JsonObject item)
    {
        lock (_gate)
        {
            var key = Key(item.Namespace(), item.Name());
            if (Table(type).ContainsKey(key)) throw ApiException.AlreadyExists(type, item.Name());
            Stamp(item);
            Table(type)[key] = item;
            Publish(new Change(_revision, ChangeKind.Added, type, item, null));
            return item;
        }
    }

    /// <summary>
    /// Replaces an object by what <paramref name="change"/> makes of a copy of it. The same content keeps its revision.
    /// Null from <paramref name="change"/> leaves it alone.
    /// </summary>
    /// <exception cref="ApiException">404 when it is not there, and whatever <paramref name="change"/> throws.</exception>
    public JsonObject Replace(ResourceType type, string namespaceName, string name, Func<JsonObject, JsonObject?> change)
    {
        lock (_gate)
        {
            var key = Key(namespaceName, name);
            if (!Table(type).TryGetValue(key, out var old)) throw ApiException.NotFound(type, name);
            var item = change(old.Copy());
            if (item is null) return old;
            item.Meta()["resourceVersion"] = old.Str("metadata", "resourceVersion");
            if (Json.Same(item, old)) return old;
            Stamp(item);
            Table(type)[key] = item;
            Publish(new Change(_revision, ChangeKind.Modified, type, item, old));
            return item;
        }
    }

    /// <summary>Takes an object out; false when it (with that uid, if given) is not there.</summary>
    public bool Remove(ResourceType type, string namespaceName, string name, string? uid = null)
    {
        lock (_gate)
        {
            var key = Key(namespaceName, name);
            if (!Table(type).TryGetValue(key, out var old) || (uid is not null && old.Uid() != uid)) return false;
            Table(type).Remove(key);
            var last = old.Copy();
            Stamp(last);
            Publish(new Change(_revision, ChangeKind.Deleted, type, last, old));
            return true;
        }
    }

    /// <summary>
    /// Changes of one type (null: of all) from a revision on. With <paramref name="since"/> null the present objects come
    /// first, as Added.
    /// </summary>
    /// <exception cref="ApiException">410 when the history does not reach that far back.</exception>
    public Subscription Subscribe(ResourceType? type, long? since, out long revision)
    {
        lock (_gate)
        {
            revision = _revision;
            var subscription = new Subscription(this, type);
            if (since is null)
            {
                foreach (var (of, table) in _items)
                {
                    if (type is not null && type != of) continue;
                    foreach (var item in table.Values) subscription.Offer(new Change(_revision, ChangeKind.Added, of, item, null));
                }
            }
            else
            {
                if (since < _oldest) throw ApiException.Expired(since.Value, _oldest);
                foreach (var change in _history.Where(c => c.Revision > since)) subscription.Offer(change);
            }
            _subscriptions.Add(subscription);
            return subscription;
        }
    }

    private SortedDictionary<string, JsonObject> Table(ResourceType type)
    {
        if (!_items.TryGetValue(type, out var table)) _items[type] = table = new(StringComparer.Ordinal);
        return table;
    }

    private void Stamp(JsonObject item) =>
        item.Meta()["resourceVersion"] = (++_revision).ToString(CultureInfo.InvariantCulture);

    private void Publish(Change change)
    {
        _history.Enqueue(change);
        if (_history.Count > HistoryLimit) _oldest = _history.Dequeue().Revision;
        foreach (var subscription in _subscriptions) subscription.Offer(change);
    }

    public static string Key(string namespaceName, string name) => $"{namespaceName}/{name}";

    /// <summary>A live queue of changes.</summary>
    internal sealed class Subscription(ObjectStore store, ResourceType? type) : IDisposable
    {
        private readonly Channel<Change> _changes =
            Channel.CreateUnbounded<Change>(new UnboundedChannelOptions { SingleReader = true });

        public ChannelReader<Change> Changes => _changes.Reader;

        public void Offer(Change change)
        {
            if (type is null || type == change.Type) _changes.Writer.TryWrite(change);
        }

        public void Dispose()
        {
            lock (store._gate) store._subscriptions.Remove(this);
            _changes.Writer.TryComplete();
        }
    }
}
