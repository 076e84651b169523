using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Telepresence.Cli.Machine;

/// <summary>
/// What was changed and must be undone: a file of JSON lines, written before each change is made.
/// </summary>
/// <remarks>
/// <para>A line is either <c>{"id":1,"change":{"kind":…}}</c>, about to be made, or <c>{"undone":1}</c>. What has the first and not the
/// second is taken back, newest first: at the end of this process, or by the next process that opens the file.</para>
/// <para>The file is locked while it is open, so that nobody undoes the changes of a process that lives. It is readable by its owner
/// only. A last line that was cut off by a crash is ignored: the change behind it was not begun.</para>
/// </remarks>
public sealed class Journal : IDisposable
{
    private readonly FileStream _file;
    private readonly List<JournalEntry> _open = [];
    private int _lastId;

    private Journal(FileStream file) => _file = file;

    /// <summary>Changes that were made, or were about to be, and are not undone; oldest first.</summary>
    public IReadOnlyList<Change> Open => [.. _open.Select(static entry => entry.Change!)];

    /// <summary>Opens or creates the journal at <paramref name="path"/> and locks it.</summary>
    /// <exception cref="IOException">Another process that lives has it open, or the directory cannot be written.</exception>
    public static Journal OpenAt(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Journal journal = new(new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }));
        journal.Replay();
        return journal;
    }

    /// <summary>Notes every change, then makes them in order. When one fails, those made so far stay noted, to be undone.</summary>
    public async Task ApplyAsync(IReadOnlyCollection<Change> changes, CancellationToken cancellation)
    {
        foreach (Change change in changes)
        {
            JournalEntry entry = new() { Id = ++_lastId, Change = change };
            Write(entry);
            _open.Add(entry);
        }

        _file.Flush(flushToDisk: true);
        foreach (Change change in changes)
            await change.ApplyAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Notes one change, then makes it.</summary>
    public Task ApplyAsync(Change change, CancellationToken cancellation) => ApplyAsync([change], cancellation);

    /// <summary>Takes back one change that <see cref="Open"/> lists.</summary>
    public async Task UndoAsync(Change change, CancellationToken cancellation)
    {
        JournalEntry entry = _open.Last(open => open.Change == change);
        await change.UndoAsync(cancellation).ConfigureAwait(false);
        Close(entry);
    }

    /// <summary>Takes back every open change, newest first. One that fails stays open and does not stop the others.</summary>
    /// <returns>A sentence for each change that could not be taken back.</returns>
    public async Task<IReadOnlyList<string>> UndoAllAsync(CancellationToken cancellation)
    {
        List<string> failures = [];
        foreach (JournalEntry entry in Enumerable.Reverse(_open).ToArray())
        {
            try
            {
                await entry.Change!.UndoAsync(cancellation).ConfigureAwait(false);
                Close(entry);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidOperationException or HttpRequestException or TimeoutException)
            {
                failures.Add($"{entry.Change!.Description} could not be taken back: {fault.Message}");
            }
        }

        return failures;
    }

    /// <summary>Closes and unlocks the file; what is open in it stays for the next process.</summary>
    public void Dispose() => _file.Dispose();

    private void Close(JournalEntry entry)
    {
        _open.Remove(entry);
        if (_open.Count == 0)
            _file.SetLength(0);
        else
            Write(new JournalEntry { Undone = entry.Id });
        _file.Flush(flushToDisk: false);
    }

    private void Write(JournalEntry entry)
    {
        _file.Seek(0, SeekOrigin.End);
        _file.Write(JsonSerializer.SerializeToUtf8Bytes(entry, JournalJson.Default.JournalEntry));
        _file.Write("\n"u8);
        _file.Flush(flushToDisk: false);
    }

    private void Replay()
    {
        using StreamReader reader = new(_file, leaveOpen: true);
        string text = reader.ReadToEnd();
        int end = text.LastIndexOf('\n');
        foreach (string line in end < 0 ? [] : text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            JournalEntry entry = JsonSerializer.Deserialize(line, JournalJson.Default.JournalEntry)
                ?? throw new IOException($"{_file.Name} has an empty line.");
            if (entry.Undone is int undone)
                _open.RemoveAll(open => open.Id == undone);
            else if (entry.Change is not null)
                _open.Add(entry);
            _lastId = Math.Max(_lastId, entry.Id);
        }

        // A line that a crash cut off must not run into the next one.
        _file.SetLength(Encoding.UTF8.GetByteCount(text.AsSpan(0, end + 1)));
    }
}

/// <summary>One line of a <see cref="Journal"/>.</summary>
internal sealed record JournalEntry
{
    [JsonPropertyName("id")]
    public int Id { get; init; }

    [JsonPropertyName("change")]
    public Change? Change { get; init; }

    [JsonPropertyName("undone")]
    public int? Undone { get; init; }
}

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowOutOfOrderMetadataProperties = true)]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class JournalJson : JsonSerializerContext;
