namespace Telepresence.PracticeCluster.Node;

/// <summary>A program's files and how it is started.</summary>
/// <param name="Reference">Full name with registry and tag.</param>
/// <param name="Id">sha256:... of the configuration, or of the recipe of a built-in image.</param>
/// <param name="Layers">Directories in the node's mount namespace, uppermost first: overlayfs lower layers.</param>
/// <param name="Binds">Host directories that are seen read-only at a path of the image.</param>
internal sealed record Image(
    string Reference, string Id, IReadOnlyList<string> Layers, IReadOnlyList<ImageBind> Binds, ImageConfiguration Configuration);

/// <param name="Writable">Only for the directory that the DNS image shares with the node.</param>
internal sealed record ImageBind(string Source, string Target, bool Writable = false);

/// <summary>The parts of an OCI image configuration that a runtime uses.</summary>
internal sealed record ImageConfiguration(
    IReadOnlyList<string> Environment,
    IReadOnlyList<string> Entrypoint,
    IReadOnlyList<string> Command,
    string User,
    string WorkingDirectory,
    string? StopSignal)
{
    internal const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    internal static ImageConfiguration Of(params string[] command) => new([$"PATH={DefaultPath}"], [], command, "", "/", null);
}
