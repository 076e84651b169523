using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>OCI archives: what is in the image exists, and nothing else.</summary>
[Collection(nameof(NodeCollection))]
public sealed class NodeImageTests(NodeFixture node) : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("practice-image-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task An_imported_image_runs_with_its_own_files_user_and_defaults()
    {
        byte[] first = Layer(
            DirectoryEntry("app", 0x1ED, 0), FileEntry("app/busybox", File.ReadAllBytes("/bin/busybox"), 0x1ED), Link("app/sh", "busybox"),
            FileEntry("app/removed", "x"u8.ToArray()), DirectoryEntry("app/opaque", 0x1ED, 0), FileEntry("app/opaque/old", "x"u8.ToArray()),
            FileEntry("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1234:1234::/app:/bin/sh\n"u8.ToArray()), DirectoryEntry("work", 0x1FF, 1234));
        byte[] second = Layer(
            FileEntry("app/.wh.removed", []), FileEntry("app/opaque/.wh..wh..opq", []), FileEntry("app/opaque/new", "x"u8.ToArray()), HardLink("app/ls", "app/busybox"));
        string archive = Archive("example.org/tools/app:1.0", [first, second], """
            { "architecture": "amd64", "os": "linux", "config": { "User": "app", "WorkingDir": "/work", "Env": [ "PATH=/app", "COLOR=green" ],
              "Entrypoint": [ "sh", "-c" ], "Cmd": [ "echo $COLOR $PWD; exec /app/busybox sleep 1000" ] } }
            """);
        Assert.Equal("example.org/tools/app:1.0", await node.Node.ImportImageAsync(archive, null, CancellationToken.None));
        PodKey pod = node.Start("default", "imported", """
            { "securityContext": { "runAsUser": 1234, "runAsNonRoot": true }, "containers": [ { "name": "c", "image": "example.org/tools/app:1.0" } ] }
            """);
        PodReport report = await node.RunningAsync(pod);
        Assert.StartsWith("example.org/tools/app:1.0@sha256:", report.Containers[0].ImageId, StringComparison.Ordinal);
        Assert.Equal("app dev etc proc sys work\n", await node.ShAsync("echo $(/app/ls /)", pod));
        Assert.Equal("new\n", await node.ShAsync("/app/ls /app/opaque", pod));
        Assert.Equal("busybox ls opaque sh\n", await node.ShAsync("echo $(/app/ls /app)", pod));
        Assert.Equal("1234 1234 /work /app\n", await node.ShAsync("echo $(/app/busybox id -u) $(/app/busybox id -g) $PWD $HOME", pod));
        using var log = new MemoryStream();
        await node.Node.StreamLogsAsync(pod, "c", new LogOptions(), log, CancellationToken.None);
        Assert.Equal("green /work\n", Encoding.ASCII.GetString(log.ToArray()));
    }

    [Fact]
    public async Task A_damaged_archive_is_refused_with_a_reason()
    {
        string archive = Archive("example.org/bad:1", [Layer(FileEntry("x", "x"u8.ToArray()))], """{ "config": {} }""", damage: true);
        NodeException error = await Assert.ThrowsAsync<NodeException>(() => node.Node.ImportImageAsync(archive, null, CancellationToken.None));
        Assert.Contains("is damaged", error.Message, StringComparison.Ordinal);
        string nothing = Path.Combine(_directory, "nothing.tar");
        await File.WriteAllTextAsync(nothing, "this is not a tar");
        error = await Assert.ThrowsAsync<NodeException>(() => node.Node.ImportImageAsync(nothing, "x", CancellationToken.None));
        Assert.Contains("is not an OCI image archive", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_layer_cannot_write_outside_the_image()
    {
        string outside = Path.Combine(_directory, "outside");
        Directory.CreateDirectory(outside);
        byte[] layer = Layer(Link("way", outside), FileEntry("way/out", "x"u8.ToArray()), FileEntry("../../../../../../.." + outside + "/up", "x"u8.ToArray()));
        await node.Node.ImportImageAsync(Archive("example.org/evil:1", [layer], """{ "config": {} }"""), null, CancellationToken.None);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
    }

    private static PaxTarEntry FileEntry(string name, byte[] content, int mode = 0x1A4) =>
        new(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), Mode = (UnixFileMode)mode };

    private static PaxTarEntry DirectoryEntry(string name, int mode, int owner) =>
        new(TarEntryType.Directory, name) { Mode = (UnixFileMode)mode, Uid = owner, Gid = owner };

    private static PaxTarEntry Link(string name, string target) => new(TarEntryType.SymbolicLink, name) { LinkName = target };

    private static PaxTarEntry HardLink(string name, string target) => new(TarEntryType.HardLink, name) { LinkName = target };

    private static byte[] Layer(params TarEntry[] entries)
    {
        using var bytes = new MemoryStream();
        using (var zip = new GZipStream(bytes, CompressionLevel.Fastest))
        using (var tar = new TarWriter(zip))
        {
            foreach (TarEntry entry in entries)
                tar.WriteEntry(entry);
        }

        return bytes.ToArray();
    }

    private string Archive(string name, byte[][] layers, string configuration, bool damage = false)
    {
        string path = Path.Combine(_directory, "image.tar");
        using var tar = new TarWriter(File.Create(path));
        tar.WriteEntry(FileEntry("oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray()));
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["config"] = Blob(Encoding.UTF8.GetBytes(configuration), "application/vnd.oci.image.config.v1+json"),
            ["layers"] = new JsonArray([.. layers.Select(layer => Blob(layer, "application/vnd.oci.image.layer.v1.tar+gzip"))]),
        };
        JsonObject entry = Blob(Encoding.UTF8.GetBytes(manifest.ToJsonString()), "application/vnd.oci.image.manifest.v1+json");
        entry["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = name };
        var index = new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(entry) };
        tar.WriteEntry(FileEntry("index.json", Encoding.UTF8.GetBytes(index.ToJsonString())));
        return path;

        JsonObject Blob(byte[] content, string type)
        {
            string hex = Convert.ToHexStringLower(SHA256.HashData(content));
            tar.WriteEntry(FileEntry($"blobs/sha256/{hex}", damage && type.Contains("layer", StringComparison.Ordinal) ? [.. content, 0] : content));
            return new JsonObject { ["mediaType"] = type, ["digest"] = $"sha256:{hex}", ["size"] = content.Length };
        }
    }
}
