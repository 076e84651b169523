using System.Formats.Tar;
using System.Text;

using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Forward;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>What a hostile pod may send, and what becomes of it.</summary>
public sealed class ArchiveUnpackerTests : IDisposable
{
    private readonly string _base = Directory.CreateTempSubdirectory("unpack-").FullName;
    private readonly MemoryStream _archive = new();
    private readonly TarWriter _writer;
    private readonly List<string> _leftOut = [];

    public ArchiveUnpackerTests()
    {
        _writer = new TarWriter(_archive, TarEntryFormat.Pax, leaveOpen: true);
        Directory.CreateDirectory(Target);
    }

    private string Target => Path.Combine(_base, "target");

    public void Dispose() => Directory.Delete(_base, recursive: true);

    [Fact]
    public void A_volume_as_kubelet_lays_it_out_is_unpacked()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.Directory, "..2025");
        Add(TarEntryType.SymbolicLink, "..data", link: "..2025");
        Add(TarEntryType.SymbolicLink, "color", link: "..data/color");
        Add(TarEntryType.RegularFile, "..2025/color", "blue");
        Assert.Equal(Target, Unpack());
        Assert.Equal("blue", File.ReadAllText(Path.Combine(Target, "color")));
    }

    [Fact]
    public void A_file_is_unpacked_alone()
    {
        Add(TarEntryType.RegularFile, ".", "text");
        Assert.Equal("text", File.ReadAllText(Unpack()));
    }

    [Theory]
    [InlineData("../escaped")]
    [InlineData("/tmp/escaped")]
    [InlineData("sub/../../escaped")]
    [InlineData("sub/./file")]
    [InlineData("missing/file")]
    [InlineData("sub//file")]
    [InlineData("link/file")]
    [InlineData("file/file")]
    [InlineData("..")]
    public void A_name_that_leads_out_is_refused(string name)
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.Directory, "sub");
        Add(TarEntryType.RegularFile, "file", "text");
        Add(TarEntryType.SymbolicLink, "link", link: "sub");
        Add(TarEntryType.RegularFile, name, "hostile");
        InvalidDataException fault = Assert.Throws<InvalidDataException>(Unpack);
        Assert.Equal($"the pod's archive holds the name \"{name}\", which leads out of it", fault.Message);
        Assert.Equal(["target"], Directory.EnumerateFileSystemEntries(_base).Select(static path => Path.GetFileName(path)!));
    }

    [Fact]
    public void A_name_too_long_or_too_deep_is_refused()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.RegularFile, new string('a', 256), "");
        Assert.Throws<InvalidDataException>(Unpack);
    }

    [Theory]
    [InlineData(TarEntryType.CharacterDevice)]
    [InlineData(TarEntryType.BlockDevice)]
    [InlineData(TarEntryType.Fifo)]
    [InlineData(TarEntryType.HardLink)]
    public void Devices_pipes_and_hard_links_are_refused(TarEntryType type)
    {
        Add(TarEntryType.Directory, ".");
        Add(type, "thing", link: type == TarEntryType.HardLink ? "/etc/passwd" : "");
        Assert.Equal($"the pod's archive holds thing, which is of type {type}", Assert.Throws<InvalidDataException>(Unpack).Message);
    }

    [Fact]
    public void A_name_that_comes_twice_is_refused()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.SymbolicLink, "name", link: "other");
        Add(TarEntryType.RegularFile, "name", "through the link");
        Assert.Equal("the pod's archive holds name twice", Assert.Throws<InvalidDataException>(Unpack).Message);
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("../../etc/passwd")]
    [InlineData("sub/../../../etc/passwd")]
    public void A_link_that_leads_out_is_left_out_and_named(string target)
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.SymbolicLink, "link", link: target);
        Unpack();
        Assert.Equal([$"link -> {target}"], _leftOut);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Target));
    }

    [Theory]
    [InlineData("link", "..data/x", true)]
    [InlineData("link", "../x", false)]
    [InlineData("a/link", "../x", true)]
    [InlineData("a/link", "../../x", false)]
    [InlineData("a/b/link", "../../x/y", true)]
    [InlineData("link", "a/../b", false)]
    [InlineData("link", "/a", false)]
    [InlineData("link", "", false)]
    public void Links_stay_or_do_not(string name, string target, bool stays) => Assert.Equal(stays, ArchiveTarget.LinkStays(name, target));

    [Theory]
    [InlineData("current", "/data/releases/42", "releases/42")]
    [InlineData("a/b/link", "/data//x/./y", "../../x/y")]
    [InlineData("a/link", "../../data/x", "../x")]
    [InlineData("link", "../data/x", "x")]
    [InlineData("link", "a/b", "a/b")]
    [InlineData("link", "/database/x", "/database/x")]
    [InlineData("link", "/data", "/data")]
    [InlineData("link", "/data/a/../x", "/data/a/../x")]
    [InlineData("link", "/data/../etc/passwd", "/data/../etc/passwd")]
    [InlineData("link", "../data/a/../../etc", "../data/a/../../etc")]
    [InlineData("link", "../../../data/x", "../../../data/x")]
    [InlineData("link", "", "")]
    public void A_link_that_comes_back_by_the_volumes_own_name_stays_inside(string name, string target, string written)
    {
        Assert.Equal(written, ArchiveTarget.KeepInside("/data", name, target));
        Assert.Equal(target.Length > 0 && (written != target || target == "a/b"), ArchiveTarget.LinkStays(name, written));
    }

    [Fact]
    public void Nothing_is_set_user_ID_writable_or_unreadable()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.RegularFile, "tool", "#!/bin/sh", mode: (UnixFileMode)0xfff);
        Add(TarEntryType.RegularFile, "closed", "text", mode: UnixFileMode.None);
        Unpack();
        Assert.Equal((UnixFileMode)0x16d, File.GetUnixFileMode(Path.Combine(Target, "tool")));
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(Path.Combine(Target, "closed")));
    }

    [Fact]
    public void More_than_an_archive_may_hold_is_refused()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.RegularFile, "first", new string('a', 40 << 20));
        Add(TarEntryType.RegularFile, "second", new string('a', 40 << 20));
        Assert.Equal("the pod's archive holds more than 64 MiB", Assert.Throws<InvalidDataException>(Unpack).Message);
    }

    [Fact]
    public void An_archive_that_is_cut_off_or_damaged_is_refused()
    {
        Add(TarEntryType.Directory, ".");
        Add(TarEntryType.RegularFile, "file", new string('a', 5000));
        _writer.Dispose();
        _archive.SetLength(3000);
        Assert.Throws<InvalidDataException>(Unpack);
        Assert.Throws<InvalidDataException>(static () => ArchiveUnpacker.Unpack(new MemoryStream(Encoding.ASCII.GetBytes(new string('x', 4096))), "/nonexistent", []));
        Assert.Throws<InvalidDataException>(static () => ArchiveUnpacker.Unpack(new MemoryStream(), "/nonexistent", []));
    }

    private string Unpack()
    {
        _writer.Dispose();
        _archive.Position = 0;
        return ArchiveUnpacker.Unpack(_archive, Target, _leftOut);
    }

    private void Add(TarEntryType type, string name, string content = "", string link = "", UnixFileMode mode = UnixFileMode.UserRead)
    {
        PaxTarEntry entry = new(type, name) { Mode = mode };
        if (link.Length > 0)
            entry.LinkName = link;
        if (type == TarEntryType.RegularFile)
            entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content));
        _writer.WriteEntry(entry);
    }
}
