using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

using Microsoft.Win32.SafeHandles;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Machine;

/// <summary>
/// What was changed and must be undone: a file of JSON lines, written before each change is made.
/// </summary>
/// <remarks>
/// <para>A line is either <c>{"id":1,"change":{"kind":…}}</c>, about to be made, or <c>{"undone":1}</c>. What has the first and not the
/// second is taken back, newest first: at the end of this process, or by the next process that opens the file. That one at
/// once writes <c>{"undoing":true}</c>, for those who would wait for it but not for a process that lives.</para>
/// <para>The file is locked while it is open, so that nobody undoes the changes of a process that lives. It is readable by its owner
/// only. The kernel closes the files of a process that ends one after another, so whoever noticed its end may come before the lock is free:
/// see <see cref="OpenWhenFreeAsync"/>.</para>
/// <para>A last line that was cut off by a crash is ignored: the change behind it was not begun. A whole line that makes no sense (a damaged
/// disk, a journal of a later version) does not keep the others from being undone: see <see cref="SetAside"/>.</para>
/// </remarks>
public sealed class Journal : IDisposable
{
    private const int MostTries = 100;
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(20);
    private static readonly string UndoingLine = Encoding.UTF8.GetString(Serialize(new JournalEntry { Undoing = true }));

    private readonly FileStream _file;
    private readonly List<JournalEntry> _open = [];
    private int _lastId;

    private Journal(FileStream file) => _file = file;

    /// <summary>Changes that were made, or were about to be, and are not undone; oldest first.</summary>
    public IReadOnlyList<Change> Open => [.. _open.Select(static entry => entry.Change!)];

    /// <summary>Where a copy of the file was put because it held lines that make no sense; null when it held none.</summary>
    public string? SetAside { get; private set; }

    /// <summary>Whether <see cref="OpenAt(string)"/> failed because another process that lives has the journal open.</summary>
    internal static bool IsTaken(IOException fault)
    {
        const int wouldBlock = 11; // EWOULDBLOCK, flock(2)
        return fault.HResult == wouldBlock;
    }

    /// <summary>Whether the process that has the journal open takes back what a dead one left, and is done with it soon.</summary>
    internal static bool IsBeingUndone(string path)
    {
        try
        {
            // Not opened by .NET, which would ask for a lock.
            using SafeFileHandle file = new(Posix.OpenForUse(path).Take(), ownsHandle: true);
            using StreamReader reader = new(new FileStream(file, FileAccess.Read));
            return reader.ReadToEnd().Split('\n').Contains(UndoingLine);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Opens the journal as <see cref="OpenAt(string)"/> does, as soon as no other process has it.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="shouldWait">Asked each time that another process has it.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <returns>Null when it should not wait.</returns>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    internal static async Task<Journal?> OpenWhenFreeAsync(string path, Func<ValueTask<bool>> shouldWait, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return OpenAt(path);
            }
            catch (IOException fault) when (IsTaken(fault))
            {
                if (!await shouldWait().ConfigureAwait(false))
                    return null;
            }

            await Task.Delay(BetweenTries, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Opens or creates the journal at <paramref name="path"/> and locks it. Who finds changes in it is to take them back.</summary>
    /// <exception cref="IOException">Another process that lives has it open, or the directory cannot be written.</exception>
    public static Journal OpenAt(string path) => OpenAt(path, OpenLocked);

    /// <summary>The same, for tests in which others come between.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="openLocked">Opens or creates a file and locks it.</param>
    internal static Journal OpenAt(string path, Func<string, FileStream> openLocked)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        FileStream file = openLocked(path);
        for (int tries = 1; !IsInPlace(file); tries++)
        {
            file.Dispose();
            if (tries == MostTries)
                throw new IOException("it is removed again and again by somebody else");
            file = openLocked(path);
        }

        Journal journal = new(file);
        try
        {
            journal.Replay();
            if (journal._open.Count > 0)
                TryAlter(() => journal.Write(new JournalEntry { Undoing = true }));
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
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

    /// <summary>Takes back every open change, newest first. One that fails, in whatever way, stays open and does not stop the others.</summary>
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
            catch (Exception fault) when (fault is not OperationCanceledException || !cancellation.IsCancellationRequested)
            {
                failures.Add($"{entry.Change!.Description} could not be taken back: {fault.Message}");
            }
        }

        return failures;
    }

    /// <summary>Closes and unlocks the file; what is open in it stays for the next process.</summary>
    public void Dispose() => _file.Dispose();

    private static FileStream OpenLocked(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.OpenOrCreate,
        Access = FileAccess.ReadWrite,
        Share = FileShare.None,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        BufferSize = 0,
    });

    // Between opening and locking, a process that was done with the file may have removed it: what were written into it then would be lost.
    private static bool IsInPlace(FileStream file) => FileStatus.Read(file.Name, follow: true, out FileStatus named) switch
    {
        0 => FileStatus.Read(file.SafeFileHandle, out FileStatus open) != 0 || (open.Inode, open.Device) == (named.Inode, named.Device),
        int errno => errno != Libc.ENOENT,
    };

    // That it is undone need not be known for certain: undoing it again finds nothing to do.
    private void Close(JournalEntry entry)
    {
        _open.Remove(entry);
        if (_open.Count == 0)
            TryAlter(() => _file.SetLength(0));
        else
            TryAlter(() => Write(new JournalEntry { Undone = entry.Id }));
    }

    private static void TryAlter(Action alter)
    {
        try
        {
            alter();
        }
        catch (IOException)
        {
            // The disk is full.
        }
    }

    private static byte[] Serialize(JournalEntry entry) => JsonSerializer.SerializeToUtf8Bytes(entry, JournalJson.Default.JournalEntry);

    // Wholly or not at all: half a line would run into the next.
    private void Write(JournalEntry entry)
    {
        long end = _file.Seek(0, SeekOrigin.End);
        try
        {
            _file.Write([.. Serialize(entry), (byte)'\n']);
        }
        catch (IOException)
        {
            _file.SetLength(end);
            throw;
        }
    }

    private void Replay()
    {
        byte[] bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        int end = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        foreach (Range line in bytes.AsSpan(0, end).Split((byte)'\n'))
        {
            if (!bytes.AsSpan(0, end)[line].IsEmpty && !TryReplay(bytes.AsSpan(0, end)[line]))
                SetAside = $"{_file.Name}.unreadable";
        }

        if (SetAside is not null)
            File.WriteAllBytes(SetAside, bytes);

        // A line that a crash cut off must not run into the next one.
        _file.SetLength(end);
    }

    private bool TryReplay(ReadOnlySpan<byte> line)
    {
        try
        {
            if (JsonSerializer.Deserialize(line, JournalJson.Default.JournalEntry) is not { } entry)
                return false;
            if (entry.Undone is int undone)
                _open.RemoveAll(open => open.Id == undone);
            else if (entry.Change is not null)
                _open.Add(entry);
            _lastId = Math.Max(_lastId, entry.Id);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
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

    [JsonPropertyName("undoing")]
    public bool Undoing { get; init; }
}

/// <summary>Serialisation without reflection.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, AllowOutOfOrderMetadataProperties = true)]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class JournalJson : JsonSerializerContext;
