using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;

namespace Telepresence.Proxy.Tests;

/// <summary>Reads an OCI image layout in a tar archive as the image specification says, checking every digest and size on the way.</summary>
internal sealed class OciArchive
{
    private readonly Dictionary<string, byte[]> _files = [];

    internal OciArchive(string path)
    {
        using FileStream file = File.OpenRead(path);
        using TarReader reader = new(file);
        while (reader.GetNextEntry(copyData: true) is { } entry)
        {
            if (entry.DataStream is not { } data)
                continue;
            using MemoryStream bytes = new();
            data.CopyTo(bytes);
            _files.Add(entry.Name, bytes.ToArray());
        }

        Assert.Equal("1.0.0", Parse(_files["oci-layout"]).GetProperty("imageLayoutVersion").GetString());
        JsonElement manifests = Parse(_files["index.json"]).GetProperty("manifests");
        Index = Assert.Single(manifests.EnumerateArray().ToArray());
        Manifest = Parse(Blob(Index));
        Config = Parse(Blob(Manifest.GetProperty("config")));
        DockerManifest = Assert.Single(Parse(_files["manifest.json"]).EnumerateArray().ToArray());
    }

    internal JsonElement Index { get; }

    internal JsonElement Manifest { get; }

    internal JsonElement Config { get; }

    internal JsonElement DockerManifest { get; }

    internal bool Has(string name) => _files.ContainsKey(name);

    /// <summary>Lays the layers over each other in an empty folder.</summary>
    internal void Unpack(string folder)
    {
        string[] diffIds = [.. Config.GetProperty("rootfs").GetProperty("diff_ids").EnumerateArray().Select(static id => id.GetString()!)];
        JsonElement[] layers = [.. Manifest.GetProperty("layers").EnumerateArray()];
        Assert.Equal(diffIds.Length, layers.Length);
        for (int i = 0; i < layers.Length; i++)
        {
            using GZipStream gzip = new(new MemoryStream(Blob(layers[i])), CompressionMode.Decompress);
            using MemoryStream tar = new();
            gzip.CopyTo(tar);
            Assert.Equal(diffIds[i], Digest(tar.ToArray()));
            tar.Position = 0;
            TarFile.ExtractToDirectory(tar, folder, overwriteFiles: true);
        }
    }

    private static string Digest(byte[] bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static JsonElement Parse(byte[] bytes) => JsonDocument.Parse(bytes).RootElement;

    private byte[] Blob(JsonElement descriptor)
    {
        string digest = descriptor.GetProperty("digest").GetString()!;
        byte[] bytes = _files["blobs/" + digest.Replace(':', '/')];
        Assert.Equal(digest, Digest(bytes));
        Assert.Equal(descriptor.GetProperty("size").GetInt64(), bytes.Length);
        return bytes;
    }
}
