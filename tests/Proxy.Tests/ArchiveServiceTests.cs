using System.Formats.Tar;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy.Tests;

/// <summary>Volumes as tar archives, for laptops without FUSE.</summary>
public sealed class ArchiveServiceTests : IAsyncLifetime
{
    private readonly RunningProxy _proxy = new();
    private readonly ProxyClient _client = new();
    private readonly string _path = Directory.CreateTempSubdirectory("archive-").FullName;

    public Task InitializeAsync()
    {
        // As kubelet lays it out.
        Directory.CreateDirectory(Path.Combine(_path, "..2025"));
        File.WriteAllText(Path.Combine(_path, "..2025", "color"), "blue");
        File.CreateSymbolicLink(Path.Combine(_path, "..data"), "..2025");
        File.CreateSymbolicLink(Path.Combine(_path, "color"), "..data/color");
        _client.Link(_proxy.Port);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _proxy.DisposeAsync();
        Directory.Delete(_path, recursive: true);
    }

    [Fact]
    public void A_volume_comes_as_it_lies_there()
    {
        (byte[] fingerprint, byte[]? archive) = Ask(_path, []);
        Assert.Equal(ArchiveTarget.FingerprintLength, fingerprint.Length);
        Assert.Equal([". Directory ", "..2025 Directory ", "..data SymbolicLink ..2025", "color SymbolicLink ..data/color", "..2025/color RegularFile blue"], List(archive!));
    }

    [Fact]
    public void What_the_asker_has_is_not_sent_again_until_it_changes()
    {
        (byte[] first, _) = Ask(_path, []);
        (byte[] same, byte[]? nothing) = Ask(_path, first);
        Assert.Equal(first, same);
        Assert.Null(nothing);

        // Again and again, until the file system's clock, which is coarse, tells the two apart.
        string color = Path.Combine(_path, "..2025", "color");
        DateTime before = File.GetLastWriteTimeUtc(color);
        do
            File.WriteAllText(color, "grey");
        while (File.GetLastWriteTimeUtc(color) == before);
        (byte[] changed, byte[]? archive) = Ask(_path, first);
        Assert.NotEqual(first, changed);
        Assert.Contains("..2025/color RegularFile grey", List(archive!));
    }

    [Fact]
    public void A_file_comes_alone()
    {
        (_, byte[]? archive) = Ask(Path.Combine(_path, "..2025/color"), []);
        Assert.Equal([". RegularFile blue"], List(archive!));
    }

    [Fact]
    public void Links_that_lead_out_of_the_volume_come_as_what_they_lead_to()
    {
        string outside = Path.GetTempFileName();
        File.WriteAllText(outside, "outside");
        File.CreateSymbolicLink(Path.Combine(_path, "out"), outside);
        File.CreateSymbolicLink(Path.Combine(_path, "etc"), "/etc");
        string[] names = List(Ask(_path, []).Archive!);
        File.Delete(outside);
        Assert.Contains("out RegularFile outside", names);
        Assert.Contains("etc SymbolicLink /etc", names);
    }

    [Fact]
    public void Pipes_and_sockets_stay_where_they_are()
    {
        System.Diagnostics.Process.Start("mkfifo", [Path.Combine(_path, "pipe")]).WaitForExit();
        Assert.DoesNotContain(List(Ask(_path, []).Archive!), static name => name.StartsWith("pipe", StringComparison.Ordinal));
    }

    [Fact]
    public void A_large_volume_comes_whole_through_windows_that_are_smaller()
    {
        byte[] content = new byte[9_000_000];
        Random.Shared.NextBytes(content);
        File.WriteAllBytes(Path.Combine(_path, "large"), content);
        using TarReader reader = new(new MemoryStream(Ask(_path, []).Archive!));
        while (reader.GetNextEntry() is { } entry)
        {
            if (entry.Name != "large")
                continue;
            byte[] got = new byte[content.Length];
            entry.DataStream!.ReadExactly(got);
            Assert.Equal(content, got);
            return;
        }

        Assert.Fail("large is missing");
    }

    [Fact]
    public void What_is_not_there_or_too_large_is_refused_in_words()
    {
        Assert.Equal((RefuseCode.NotFound, "/no/such/path: No such file or directory"), Refusal(new ArchiveTarget("/no/such/path", []).ToBytes()));
        using (FileStream large = File.Create(Path.Combine(_path, "large")))
            large.SetLength(ArchiveTarget.MaxContent + 1);
        Assert.Equal((RefuseCode.NoResources, $"{_path} holds more than 64 MiB"), Refusal(new ArchiveTarget(_path, []).ToBytes()));
    }

    [Fact]
    public void Links_that_come_back_by_the_volumes_own_name_stay_in_it()
    {
        File.CreateSymbolicLink(Path.Combine(_path, "current"), Path.Combine(_path, "..2025"));
        Assert.Contains("current SymbolicLink ..2025", List(Ask(_path, []).Archive!));
    }

    [Fact]
    public void Times_that_a_header_cannot_hold_cost_no_turn()
    {
        File.SetLastWriteTimeUtc(Path.Combine(_path, "..2025", "color"), new DateTime(1930, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        for (int time = 0; time < 20; time++)
            Assert.Contains("..2025/color RegularFile blue", List(Ask(_path, []).Archive!));
    }

    [Fact]
    public void Every_refusal_gives_its_turn_back()
    {
        for (int time = 0; time < 20; time++)
            Assert.Equal(RefuseCode.NotFound, Refusal(new ArchiveTarget("/no/such/path", []).ToBytes()).Item1);
        Assert.NotNull(Ask(_path, []).Archive);
    }

    [Fact]
    public void A_path_is_read_by_one_at_a_time()
    {
        byte[] target = new ArchiveTarget(_path, []).ToBytes();
        Answer first = new(), second = new();
        byte[] content = new byte[9_000_000];
        File.WriteAllBytes(Path.Combine(_path, "large"), content);
        first.Stalled = true;
        MuxStream stream = _client.Session.Open(StreamKind.Archive, target, first, _client.Now)!;
        _client.Turns.Until(() => first.Info.Length > 0);
        _client.Session.Open(StreamKind.Archive, target, second, _client.Now);
        _client.Turns.Until(() => second.Code is not null);
        Assert.Equal((RefuseCode.TimedOut, $"{_path} is being read already"), (second.Code, second.Reason));

        // Whoever gives up gives the turn back.
        stream.Reset(RefuseCode.None, _client.Now);
        Answer third;
        do
        {
            third = new();
            _client.Session.Open(StreamKind.Archive, target, third, _client.Now);
            _client.Turns.Until(() => third.Ended || third.Code is not null);
        }
        while (third.Code == RefuseCode.TimedOut);
        Assert.True(third.Ended);
    }

    [Fact]
    public void A_pipe_that_takes_a_files_name_keeps_nobody_waiting()
    {
        string pipe = Path.Combine(_path, "pipe");
        System.Diagnostics.Process.Start("mkfifo", [pipe]).WaitForExit();
        Assert.Null(ArchivedFile.TryOpen(pipe));
        Assert.Null(ArchivedFile.TryOpen(pipe + "2"));
    }

    [Fact]
    public void A_file_that_is_written_to_while_it_is_read_is_not_taken_for_whole()
    {
        string path = Path.Combine(_path, "..2025", "color");
        using (ArchivedFile same = ArchivedFile.TryOpen(path)!)
        {
            Assert.Equal("blue", new StreamReader(same, leaveOpen: true).ReadToEnd());
            same.ThrowIfChanged();
        }

        using ArchivedFile longer = ArchivedFile.TryOpen(path)!;
        File.AppendAllText(path, " and more");
        Assert.Equal("blue", new StreamReader(longer, leaveOpen: true).ReadToEnd());
        Assert.Throws<IOException>(longer.ThrowIfChanged);
        using ArchivedFile shorter = ArchivedFile.TryOpen(path)!;
        File.WriteAllText(path, "");
        Assert.Throws<IOException>(() => new StreamReader(shorter, leaveOpen: true).ReadToEnd());
    }

    [Fact]
    public void What_only_root_may_list_at_the_top_of_a_file_system_is_left_out()
    {
        Directory.CreateDirectory(Path.Combine(_path, "lost+found"), UnixFileMode.None);
        Assert.DoesNotContain(List(Ask(_path, []).Archive!), static name => name.StartsWith("lost", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(33)]
    public void A_malformed_target_is_refused(int length) =>
        Assert.Equal((RefuseCode.ProtocolError, "malformed target"), Refusal(new byte[length]));

    private (byte[] Fingerprint, byte[]? Archive) Ask(string path, byte[] fingerprint)
    {
        Answer answer = new();
        _client.Session.Open(StreamKind.Archive, new ArchiveTarget(path, fingerprint).ToBytes(), answer, _client.Now);
        _client.Turns.Until(() => answer.Ended || answer.Code is not null);
        Assert.Null(answer.Reason);
        Assert.True(ArchiveTarget.TryReadAnswer(answer.Info, out bool changed, out byte[] there));
        return (there, changed ? answer.Bytes.ToArray() : null);
    }

    private (RefuseCode?, string?) Refusal(byte[] target)
    {
        Answer answer = new();
        _client.Session.Open(StreamKind.Archive, target, answer, _client.Now);
        _client.Turns.Until(() => answer.Ended || answer.Code is not null);
        return (answer.Code, answer.Reason);
    }

    private static string[] List(byte[] archive)
    {
        using TarReader reader = new(new MemoryStream(archive));
        List<string> names = [];
        while (reader.GetNextEntry() is { } entry)
            names.Add($"{entry.Name.TrimEnd('/')} {entry.EntryType} {entry.LinkName}{(entry.DataStream is null ? "" : new StreamReader(entry.DataStream).ReadToEnd())}");
        return [.. names];
    }

    private sealed class Answer : IMuxStreamHandler
    {
        internal byte[] Info { get; private set; } = [];

        internal MemoryStream Bytes { get; } = new();

        internal bool Stalled { get; set; }

        internal bool Ended { get; private set; }

        internal RefuseCode? Code { get; private set; }

        internal string? Reason { get; private set; }

        public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
        {
            Info = info.ToArray();
            stream.WriteEnd(now);
        }

        public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
        {
            Bytes.Write(bytes);
            if (!Stalled)
                stream.Consume(bytes.Length, now);
        }

        public void OnEnd(MuxStream stream, long now) => Ended = true;

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => (Code, Reason) = (code, reason);

        public void OnReset(MuxStream stream, RefuseCode code, long now) => (Code, Reason) = (code, "reset");
    }
}
