using System.Text;
using System.Text.Json.Nodes;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Makes a pod's volumes, as directories on the node's tmpfs, and keeps the projected ones up to date.</summary>
/// <param name="directory">Where they lie, as this process reaches it: one directory each.</param>
internal sealed class PodVolumes(string directory, PodKey key, IClusterLookup lookup)
{
    private const int DefaultMode = 0x1A4;
    private const long DefaultTokenSeconds = 3600;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, AtomicDirectory> _projected = [];
    private readonly Dictionary<string, IssuedToken> _tokens = [];
    private int _group;

    /// <summary>Makes every volume. May be called again after it has failed.</summary>
    /// <exception cref="NodeException">A volume cannot be made (yet): FailedMount.</exception>
    internal void SetUp(JsonObject pod, PodFields fields)
    {
        lock (_gate)
        {
            _group = (int)(pod.Number("spec", "securityContext", "fsGroup") ?? 0);
            foreach (JsonNode volume in pod.Items("spec", "volumes"))
            {
                string name = volume.Text("name")!;
                try
                {
                    string path = Make(name);
                    if (volume.At("emptyDir") is null)
                        Project(volume, name, path, pod, fields);
                }
                catch (NodeException error)
                {
                    throw new NodeException($"MountVolume.SetUp failed for volume \"{name}\" : {error.Message}");
                }
            }
        }
    }

    /// <summary>Writes what has changed since: ConfigMaps, Secrets, labels, tokens at 80 % of their life.</summary>
    internal void Refresh(JsonObject pod, PodFields fields)
    {
        lock (_gate)
        {
            foreach (JsonNode volume in pod.Items("spec", "volumes"))
            {
                string name = volume.Text("name")!;
                try
                {
                    if (_projected.ContainsKey(name))
                        Project(volume, name, Path.Combine(directory, name), pod, fields);
                }
                catch (NodeException)
                {
                    // The source has been deleted: as with a kubelet the files stay what they were.
                }
            }
        }
    }

    private string Make(string name)
    {
        string path = Path.Combine(directory, name);
        if (Directory.Exists(path))
            return path;
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, (UnixFileMode)(_group != 0 ? 0x5FF : 0x1FF));
        if (_group != 0)
            Native.Check(Native.ChangeOwner(path, 0, _group), $"cannot give volume {name} its group");
        return path;
    }

    private void Project(JsonNode volume, string name, string path, JsonObject pod, PodFields fields)
    {
        List<ProjectedFile> files = [];
        if (volume.At("projected") is JsonNode projected)
        {
            int mode = (int)(projected.Number("defaultMode") ?? DefaultMode);
            foreach (JsonNode source in projected.Items("sources"))
                files.AddRange(Source(source, name, mode, pod, fields));
        }
        else
        {
            JsonNode? source = volume.At("configMap") ?? volume.At("secret") ?? volume.At("downwardAPI");
            if (source is null)
                throw new NodeException($"volumes of the kind {volume.AsObject().Select(p => p.Key).FirstOrDefault(k => k != "name")} do not exist here");
            files.AddRange(Source(volume, name, (int)(source.Number("defaultMode") ?? DefaultMode), pod, fields));
        }

        if (!_projected.TryGetValue(name, out AtomicDirectory? target))
            _projected[name] = target = new AtomicDirectory(path, _group);
        target.Write(files);
    }

    private IEnumerable<ProjectedFile> Source(JsonNode source, string volume, int mode, JsonObject pod, PodFields fields)
    {
        if (source.At("configMap") is JsonNode configMap)
            return Keys(configMap, Sources.Read(lookup, false, key.Namespace, configMap), mode);
        if (source.At("secret") is JsonNode secret)
            return Keys(secret, Sources.Read(lookup, true, key.Namespace, secret), mode);
        if (source.At("downwardAPI") is JsonNode downward)
            return downward.Items("items").Select(item => new ProjectedFile(Relative(item.Text("path")), Encoding.UTF8.GetBytes(Field(item, pod, fields)), Mode(item, mode)));
        if (source.At("serviceAccountToken") is JsonNode token)
        {
            // With an fsGroup the token is not for everyone, as it otherwise has to be for pods that are not root.
            UnixFileMode tokenMode = _group != 0 ? (UnixFileMode)0x180 : (UnixFileMode)mode;
            return [new ProjectedFile(Relative(token.Text("path")), Encoding.ASCII.GetBytes(Token(token, volume, pod)), tokenMode)];
        }

        throw new NodeException("a projected volume has a source of an unknown kind");
    }

    private static List<ProjectedFile> Keys(JsonNode source, Dictionary<string, byte[]>? data, int mode)
    {
        if (data is null)
            return [];
        if (source.At("items") is null)
            return [.. data.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new ProjectedFile(pair.Key, pair.Value, (UnixFileMode)mode))];
        var files = new List<ProjectedFile>();
        foreach (JsonNode item in source.Items("items"))
        {
            if (data.TryGetValue(item.Text("key")!, out byte[]? value))
                files.Add(new ProjectedFile(Relative(item.Text("path")), value, Mode(item, mode)));
            else if (source.Flag("optional") != true)
                throw new NodeException($"references non-existent config key: {item.Text("key")}");
        }

        return files;
    }

    private static string Field(JsonNode item, JsonObject pod, PodFields fields)
    {
        if (item.Text("fieldRef", "fieldPath") is string path)
            return fields.Field(path);
        JsonNode reference = item.At("resourceFieldRef") ?? throw new NodeException("a downwardAPI item names no field");
        return fields.Resource(reference, pod.Items("spec", "containers").FirstOrDefault());
    }

    private string Token(JsonNode source, string volume, JsonObject pod)
    {
        string? audience = source.Text("audience");
        var life = TimeSpan.FromSeconds(source.Number("expirationSeconds") ?? DefaultTokenSeconds);
        string id = $"{volume}/{source.Text("path")}";
        DateTime now = DateTime.UtcNow;
        if (!_tokens.TryGetValue(id, out IssuedToken? token) || now >= token.RenewAt)
        {
            string value = lookup.RequestToken(key, pod.Text("spec", "serviceAccountName") ?? "default", audience, life);
            _tokens[id] = token = new IssuedToken(value, now + (life * 0.8));
        }

        return token.Value;
    }

    private static UnixFileMode Mode(JsonNode item, int mode) => (UnixFileMode)(item.Number("mode") ?? mode);

    private static string Relative(string? path) =>
        path is { Length: > 0 } && !path.StartsWith('/') && !path.Split('/').Contains("..")
            ? path
            : throw new NodeException($"invalid path {path}");

    private sealed record IssuedToken(string Value, DateTime RenewAt);
}
