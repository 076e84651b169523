using System.Net;

namespace Telepresence.Cli.Machine.Resolver;

/// <summary>
/// systemd-resolved asks our name server for the names of our link. The settings belong to the link and vanish with it; the undo matters
/// when the interface outlives us.
/// </summary>
/// <param name="Interface">Interface name.</param>
/// <param name="Servers">Our name servers.</param>
/// <param name="Domains">Search domains, and with a tilde in front routing domains; <c>~.</c> is every name.</param>
/// <param name="DefaultRoute">Names that belong to no link's domains are asked here too, beside the machine's other servers.</param>
public sealed record ResolvedChange(string Interface, IReadOnlyList<string> Servers, IReadOnlyList<string> Domains, bool DefaultRoute) : Change
{
    /// <inheritdoc/>
    public override string Description => $"systemd-resolved's settings of {Interface}";

    /// <inheritdoc/>
    public override async Task ApplyAsync(CancellationToken cancellation)
    {
        // The zone is unsigned below a signed root, and the server does not do TLS: what the machine demands elsewhere cannot hold here.
        await RunAsync("dnssec", ["no"], cancellation).ConfigureAwait(false);
        await RunAsync("dnsovertls", ["no"], cancellation).ConfigureAwait(false);
        await RunAsync("llmnr", ["no"], cancellation).ConfigureAwait(false);
        await RunAsync("mdns", ["no"], cancellation).ConfigureAwait(false);
        await RunAsync("default-route", [DefaultRoute ? "yes" : "no"], cancellation).ConfigureAwait(false);
        await RunAsync("domain", Domains, cancellation).ConfigureAwait(false);
        await RunAsync("dns", Servers, cancellation).ConfigureAwait(false);
        await Tool.TryRunAsync("resolvectl", ["flush-caches"], null, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancellation)
    {
        if (!Directory.Exists($"/sys/class/net/{Interface}"))
        {
            await Tool.TryRunAsync("resolvectl", ["flush-caches"], null, cancellation).ConfigureAwait(false);
            return;
        }

        // revert alone leaves our search domains in the stub's resolv.conf (seen with systemd 252); emptying the lists rewrites that file.
        await Tool.TryRunAsync("resolvectl", ["domain", Interface, ""], null, cancellation).ConfigureAwait(false);
        await Tool.TryRunAsync("resolvectl", ["dns", Interface, ""], null, cancellation).ConfigureAwait(false);
        ToolResult reverted = await Tool.TryRunAsync("resolvectl", ["revert", Interface], null, cancellation).ConfigureAwait(false);
        if (reverted.ExitCode == 0)
            await Tool.TryRunAsync("resolvectl", ["flush-caches"], null, cancellation).ConfigureAwait(false);
        else if ((await ResolvectlStatus.TryReadAsync(cancellation).ConfigureAwait(false)) is { } status && status.Servers(Interface).Count > 0)
            throw new IOException($"resolvectl revert {Interface} failed: {reverted.Error.Trim()}");
    }

    /// <summary>Whether systemd-resolved still has our settings.</summary>
    internal bool IsIn(ResolvectlStatus status) =>
        Servers.All(server => status.Servers(Interface).Contains(IPAddress.Parse(server))) && Domains.All(status.Domains(Interface).Contains);

    /// <summary>Lists compare by content, so that a record read back from the journal equals the one written.</summary>
    public bool Equals(ResolvedChange? other) =>
        other is not null && Interface == other.Interface && DefaultRoute == other.DefaultRoute
        && Servers.SequenceEqual(other.Servers) && Domains.SequenceEqual(other.Domains);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Interface, DefaultRoute, Servers.Count, Domains.Count);

    private Task RunAsync(string verb, IReadOnlyList<string> values, CancellationToken cancellation) =>
        Tool.RunAsync("resolvectl", [verb, Interface, .. values], null, cancellation);
}
