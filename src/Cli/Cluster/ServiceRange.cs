using System.Net;
using System.Text.RegularExpressions;

namespace Telepresence.Cli.Cluster;

/// <summary>
/// Finds the address ranges of Services with the rights of an ordinary user of one namespace.
/// </summary>
/// <remarks>
/// A Service with an address outside the range is offered to the server, to be validated only (<c>dryRun=All</c>); the refusal names the
/// range: "The range of valid IPs is 10.96.0.0/12". Nothing is made. A server that takes the address, or refuses without naming a
/// range, is asked for the ServiceCIDR objects (Kubernetes 1.33 and later), which needs a right for the whole cluster. A range guessed
/// from the Services one sees would be too small: where there are two, it is half.
/// </remarks>
internal sealed partial class ServiceRange(KubeClient client, string @namespace)
{
    /// <summary>Finds the ranges, IPv4 and IPv6.</summary>
    /// <returns>Empty when the user has neither right.</returns>
    internal async Task<IReadOnlyList<IPNetwork>> FindAsync(CancellationToken cancellation)
    {
        Task<IReadOnlyList<IPNetwork>> objects = FromObjectsAsync(cancellation);
        IPNetwork?[] refused = await Task.WhenAll(FromRefusalAsync("IPv4", "255.255.255.254", cancellation), FromRefusalAsync("IPv6", "fe80::1", cancellation));
        return [.. refused.OfType<IPNetwork>().Concat(await objects).Distinct()];
    }

    /// <summary>Reads the range out of a refusal's message.</summary>
    internal static IPNetwork? Parse(string message) =>
        RangeText().Match(message) is { Success: true } match && IPNetwork.TryParse(match.Groups[1].ValueSpan, out IPNetwork range) ? range : null;

    private async Task<IReadOnlyList<IPNetwork>> FromObjectsAsync(CancellationToken cancellation)
    {
        try
        {
            KubeList<ServiceCidr> list = await client.GetAsync(KubeRequest.ListServiceCidrs(), KubeJson.Default.KubeListServiceCidr, cancellation);
            return [.. (list.Items ?? []).SelectMany(static item => item.Spec?.Cidrs ?? []).Select(IPNetwork.Parse)];
        }
        catch (KubeException fault) when (fault.IsForbidden || fault.IsNotFound)
        {
            return [];
        }
    }

    private async Task<IPNetwork?> FromRefusalAsync(string family, string outside, CancellationToken cancellation)
    {
        Service probe = new()
        {
            Metadata = new ObjectMeta { Name = "telepresence-range-probe", Namespace = @namespace },
            Spec = new ServiceSpec { ClusterIP = outside, IpFamilies = [family], Ports = [new ServicePort(1)] },
        };
        try
        {
            await client.SendAsync(KubeRequest.TryCreateService(@namespace), probe, KubeJson.Default.Service, cancellation);
            return null;
        }
        catch (KubeException fault) when (fault.Status is 403 or 409 or 422 or 400 or 500)
        {
            return Parse(fault.Message);
        }
    }

    [GeneratedRegex(@"range of valid IPs is ([0-9a-fA-F:.]+/\d{1,3})")]
    private static partial Regex RangeText();
}
