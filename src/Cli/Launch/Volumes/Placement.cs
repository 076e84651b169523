namespace Telepresence.Cli.Launch.Volumes;

/// <summary>How a volume comes to its real path.</summary>
internal enum PlacementWay
{
    /// <summary>Something of the same sort is there and is covered.</summary>
    Cover,

    /// <summary>Its name is made for real, in a directory that is the user's own, and covered.</summary>
    Make,

    /// <summary>The directory above is covered by one that holds the same and the new name.</summary>
    Veil,

    /// <summary>It stays away from there.</summary>
    Leave,
}

/// <summary>What a plan needs to know about the machine's files.</summary>
internal interface IPlaces
{
    /// <summary>Whether a name is there, even as a link that leads nowhere.</summary>
    bool Exists(string path);

    /// <summary>Whether a path leads to a directory; null when it leads nowhere.</summary>
    bool? IsDirectory(string path);

    /// <summary>A path that leads somewhere, with its links followed.</summary>
    string Resolve(string path);

    /// <summary>Whether names may be made for real in a directory (links followed).</summary>
    bool IsGround(string directory);
}

/// <summary>Where one volume goes.</summary>
/// <param name="Way">How.</param>
/// <param name="Target">The path with the links in its existing part followed.</param>
/// <param name="Parent">The lowest directory above it that exists; for <see cref="PlacementWay.Veil"/> what is covered.</param>
/// <param name="Note">Why it stays away, as a sentence.</param>
internal sealed record Placement(PlacementWay Way, string Target, string Parent, string? Note = null)
{
    private const string Needed = "this machine's own is needed there";

    /// <summary>Decides.</summary>
    /// <param name="path">The volume's path in the container, normalized.</param>
    /// <param name="isDirectory">Whether it is a directory there, or one file.</param>
    /// <param name="request">What may not be covered.</param>
    /// <param name="places">The machine.</param>
    internal static Placement Plan(string path, bool isDirectory, VolumeRequest request, IPlaces places)
    {
        if (WhyNot(path, request) is { } reason)
            return Leave(path, reason);
        Placement placement = Find(path, isDirectory, request, places);

        // The same for where links have led.
        return placement.Way != PlacementWay.Leave && WhyNot(placement.Target, request) is { } why ? Leave(path, why) : placement;
    }

    private static string? WhyNot(string path, VolumeRequest request)
    {
        if (SystemPlaces.Hold(path, request.Programs))
            return Needed;
        return SystemPlaces.AreSettingsOf(request.Home, path) ? "settings and programs in the home directory stay this machine's own" : null;
    }

    private static Placement Find(string path, bool isDirectory, VolumeRequest request, IPlaces places)
    {
        string existing = "/";
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        int at = 0;
        while (at < parts.Length && places.IsDirectory(Path.Combine(existing, parts[at])) is bool leadsToDirectory)
        {
            string next = places.Resolve(Path.Combine(existing, parts[at]));
            bool isLast = at == parts.Length - 1;
            if (isLast || !leadsToDirectory)
                return isLast && leadsToDirectory == isDirectory ? Cover(path, next, request) : Swap(path, existing, parts[at..], request, places);
            existing = next;
            at++;
        }

        if (places.Exists(Path.Combine(existing, parts[at])))
            return Swap(path, existing, parts[at..], request, places);
        string target = Path.Combine([existing, .. parts[at..]]);
        return new Placement(places.IsGround(existing) ? PlacementWay.Make : PlacementWay.Veil, target, existing);
    }

    private static Placement Cover(string path, string target, VolumeRequest request)
    {
        if (SystemPlaces.AreAddedToOnly(target) || request.Kept.Any(kept => VolumePaths.IsBelow(kept, target)))
            return Leave(path, Needed);
        return request.Home.Length > 1 && VolumePaths.IsBelow(target, request.Home)
            ? Leave(path, "what is in the home directory is not covered")
            : new Placement(PlacementWay.Cover, target, Path.GetDirectoryName(target)!);
    }

    // Something of another sort has a name on the way: a veil can leave it out, where the machine can do without it.
    private static Placement Swap(string path, string parent, string[] rest, VolumeRequest request, IPlaces places)
    {
        string inTheWay = Path.Combine(parent, rest[0]);
        bool isNeeded = places.IsGround(parent) || SystemPlaces.Hold(inTheWay, request.Programs) || SystemPlaces.AreAddedToOnly(inTheWay) || request.Kept.Any(kept => VolumePaths.IsBelow(kept, inTheWay));
        return isNeeded
            ? Leave(path, $"{inTheWay} is something else on this machine")
            : new Placement(PlacementWay.Veil, Path.Combine([parent, .. rest]), parent);
    }

    private static Placement Leave(string path, string why) =>
        new(PlacementWay.Leave, path, "", $"The pod's volume at {path} is only at $TELEPRESENCE_ROOT{path}: {why}.");
}
