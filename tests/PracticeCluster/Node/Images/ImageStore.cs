using System.Collections.Concurrent;
using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>The images that the node can run: imported archives and built-in ones.</summary>
internal sealed class ImageStore(BuiltinImages builtin, string directory, Func<string, string> visible)
{
    private readonly ConcurrentDictionary<string, Image> _imported = new();
    private readonly ConcurrentDictionary<string, bool> _present = new();
    private int _number;

    /// <summary>Whether the image has been pulled or imported, as imagePullPolicy sees it.</summary>
    internal bool IsPresent(string name)
    {
        string reference = ImageReference.Normalize(name);
        return _imported.ContainsKey(reference) || _present.ContainsKey(reference);
    }

    /// <exception cref="NodeException">There is no such image; worded as containerd does.</exception>
    internal Image Pull(string name)
    {
        string reference = ImageReference.Normalize(name);
        if (_imported.TryGetValue(reference, out Image? image))
            return image;
        image = builtin.Find(reference)
            ?? throw new NodeException($"failed to pull and unpack image \"{reference}\": failed to resolve reference \"{reference}\": {reference}: not found");
        _present[reference] = true;
        return image;
    }

    /// <returns>The reference it was stored under.</returns>
    internal async Task<string> ImportAsync(string archive, string? name, CancellationToken cancel)
    {
        string layer = string.Create(CultureInfo.InvariantCulture, $"{directory}/{Interlocked.Increment(ref _number)}");
        OciArchive.Unpacked unpacked = await OciArchive.UnpackAsync(archive, visible(layer), cancel);
        string reference = ImageReference.Normalize(name ?? unpacked.Name
            ?? throw new NodeException($"{archive} does not say its name; give one"));
        _imported[reference] = new Image(reference, unpacked.Id, [layer], [], unpacked.Configuration);
        return reference;
    }
}
