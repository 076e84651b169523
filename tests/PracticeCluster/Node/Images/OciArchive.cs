using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Unpacks a tar of an OCI image layout (image-spec 1.1): one root directory with the layers applied in order.</summary>
/// <remarks>Every blob that is used is checked against its digest. Of an index of several platforms the machine's is taken.</remarks>
internal static class OciArchive
{
    private const string IndexType = "application/vnd.oci.image.index.v1+json";

    /// <param name="Name">org.opencontainers.image.ref.name of the image, if the archive says one.</param>
    internal sealed record Unpacked(string? Name, string Id, ImageConfiguration Configuration);

    /// <param name="archive">Path of the tar file.</param>
    /// <param name="root">Directory to make and fill.</param>
    /// <exception cref="NodeException">Not such an archive, damaged, or in a form that is not supported.</exception>
    internal static async Task<Unpacked> UnpackAsync(string archive, string root, CancellationToken cancel)
    {
        string blobs = root + ".blobs";
        Directory.CreateDirectory(blobs);
        try
        {
            await ExtractLayoutAsync(archive, blobs, cancel);
            return await ApplyAsync(blobs, root, cancel);
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or System.Text.Json.JsonException or FormatException)
        {
            throw new NodeException($"{archive} is not an OCI image archive: {error.Message}", error);
        }
        finally
        {
            Directory.Delete(blobs, recursive: true);
        }
    }

    private static async Task ExtractLayoutAsync(string archive, string blobs, CancellationToken cancel)
    {
        await using FileStream file = File.OpenRead(archive);
        await using var reader = new TarReader(file);
        while (await reader.GetNextEntryAsync(copyData: false, cancel) is TarEntry entry)
        {
            string name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
            const string prefix = "blobs/sha256/";
            if (entry.DataStream is null)
                continue;
            if (name == "index.json")
                await CopyAsync(entry.DataStream, Path.Combine(blobs, name), cancel);
            else if (name.StartsWith(prefix, StringComparison.Ordinal) && name[prefix.Length..].All(char.IsAsciiHexDigit))
                await CopyAsync(entry.DataStream, Path.Combine(blobs, name[prefix.Length..]), cancel);
        }
    }

    private static async Task CopyAsync(Stream data, string path, CancellationToken cancel)
    {
        await using FileStream output = File.Create(path);
        await data.CopyToAsync(output, cancel);
    }

    private static async Task<Unpacked> ApplyAsync(string blobs, string root, CancellationToken cancel)
    {
        string indexFile = Path.Combine(blobs, "index.json");
        if (!File.Exists(indexFile))
            throw new InvalidDataException("it has no index.json");
        JsonNode? index = JsonNode.Parse(await File.ReadAllBytesAsync(indexFile, cancel));
        JsonNode entry = Choose(index);
        string? name = entry.Text("annotations", "io.containerd.image.name") ?? entry.Text("annotations", "org.opencontainers.image.ref.name");
        if (entry.Text("mediaType") == IndexType)
            entry = Choose(JsonNode.Parse(await ReadBlobAsync(blobs, entry, cancel)));
        JsonNode? manifest = JsonNode.Parse(await ReadBlobAsync(blobs, entry, cancel));
        JsonNode configuration = manifest.At("config") ?? throw new InvalidDataException("its manifest has no config");
        JsonNode? config = JsonNode.Parse(await ReadBlobAsync(blobs, configuration, cancel)).At("config");
        Directory.CreateDirectory(root);
        foreach (JsonNode layer in manifest.Items("layers"))
        {
            await CheckAsync(blobs, layer, cancel);
            await using FileStream file = File.OpenRead(BlobPath(blobs, layer));
            string type = layer.Text("mediaType") ?? "";
            await using Stream content = type switch
            {
                _ when type.EndsWith("+gzip", StringComparison.Ordinal) || type.EndsWith(".gzip", StringComparison.Ordinal) =>
                    new GZipStream(file, CompressionMode.Decompress),
                _ when type.EndsWith(".tar", StringComparison.Ordinal) => file,
                _ => throw new InvalidDataException($"layers of the type {type} are not supported"),
            };
            await ImageLayer.ApplyAsync(content, root, cancel);
        }

        return new Unpacked(name, configuration.Text("digest")!, new ImageConfiguration(
            [.. config.Texts("Env")],
            [.. config.Texts("Entrypoint")],
            [.. config.Texts("Cmd")],
            config.Text("User") ?? "",
            config.Text("WorkingDir") is { Length: > 0 } directory ? directory : "/",
            config.Text("StopSignal")));
    }

    private static JsonNode Choose(JsonNode? index)
    {
        string architecture = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "arm64" : "amd64";
        JsonNode[] manifests = [.. index.Items("manifests")];
        return manifests.FirstOrDefault(m => m.Text("platform", "os") == "linux" && m.Text("platform", "architecture") == architecture)
            ?? manifests.FirstOrDefault(m => m.At("platform") is null)
            ?? throw new InvalidDataException($"it has no image for linux/{architecture}");
    }

    private static string BlobPath(string blobs, JsonNode descriptor)
    {
        string digest = descriptor.Text("digest") ?? "";
        string hex = digest.StartsWith("sha256:", StringComparison.Ordinal) ? digest[7..] : "";
        string path = Path.Combine(blobs, hex);
        return hex.Length == 64 && hex.All(char.IsAsciiHexDigit) && File.Exists(path)
            ? path
            : throw new InvalidDataException($"its blob {digest} is missing");
    }

    private static async Task CheckAsync(string blobs, JsonNode descriptor, CancellationToken cancel)
    {
        await using FileStream file = File.OpenRead(BlobPath(blobs, descriptor));
        string digest = "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancel));
        if (digest != descriptor.Text("digest"))
            throw new InvalidDataException($"its blob {descriptor.Text("digest")} is damaged");
    }

    private static async Task<byte[]> ReadBlobAsync(string blobs, JsonNode descriptor, CancellationToken cancel)
    {
        await CheckAsync(blobs, descriptor, cancel);
        return await File.ReadAllBytesAsync(BlobPath(blobs, descriptor), cancel);
    }
}
