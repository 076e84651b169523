using System.Net;
using System.Numerics;
using System.Text.Json.Nodes;
using Telepresence.PracticeCluster.Objects;
using Telepresence.PracticeCluster.Store;

namespace Telepresence.PracticeCluster.Admission;

/// <summary>Allocates cluster IPs. As on a real dual-stack cluster a Service is single-stack unless its ipFamilyPolicy says otherwise.</summary>
internal sealed class ServiceAddresses(IPNetwork v4, IPNetwork v6)
{
    /// <exception cref="ApiException">422 for an address that is taken or outside of the range.</exception>
    public void Assign(ObjectStore store, JsonObject service)
    {
        var spec = service.Make("spec");
        if (spec.Str("type") == "ExternalName")
        {
            foreach (var field in (ReadOnlySpan<string>)["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) spec.Remove(field);
            return;
        }
        var wanted = spec.Strings("clusterIPs").ToList();
        if (wanted.Count == 0 && spec.Str("clusterIP") is { Length: > 0 } one) wanted.Add(one);
        var headless = wanted is ["None", ..];
        var families = spec.Strings("ipFamilies").ToList();
        if (families.Count == 0 && !headless) families.AddRange(wanted.Select(w => w.Contains(':') ? "IPv6" : "IPv4"));
        if (families.Count == 0) families.Add("IPv4");
        var policy = spec.Str("ipFamilyPolicy")
            ?? (families.Count > 1 || (headless && spec["selector"] is null) ? "RequireDualStack" : "SingleStack");
        if (policy != "SingleStack" && families.Count == 1) families.Add(families[0] == "IPv4" ? "IPv6" : "IPv4");
        spec["ipFamilyPolicy"] = policy;
        spec["ipFamilies"] = Json.ArrayOf(families);
        if (headless)
        {
            spec["clusterIP"] = "None";
            spec["clusterIPs"] = new JsonArray("None");
            return;
        }
        var taken = store.List(ResourceTypes.Services).Where(s => s.Uid() != service.Uid())
            .SelectMany(s => s.Strings("spec", "clusterIPs")).ToHashSet(StringComparer.Ordinal);
        var addresses = new List<string>();
        for (var i = 0; i < families.Count; i++)
        {
            var network = families[i] == "IPv4" ? v4 : v6;
            if (i < wanted.Count) Check(service, wanted[i], network, taken);
            addresses.Add(i < wanted.Count ? wanted[i] : Free(network, taken, service));
            taken.Add(addresses[i]);
        }
        spec["clusterIP"] = addresses[0];
        spec["clusterIPs"] = Json.ArrayOf(addresses);
    }

    private static void Check(JsonObject service, string text, IPNetwork network, HashSet<string> taken)
    {
        if (!IPAddress.TryParse(text, out var address) || !network.Contains(address))
            throw ApiException.Invalid(ResourceTypes.Services, service.Name(), "spec.clusterIPs",
                $"Invalid value: [\"{text}\"]: failed to allocate IP {text}: the provided IP ({text}) is not in the valid range. The range of valid IPs is {network}");
        if (taken.Contains(text))
            throw ApiException.Invalid(ResourceTypes.Services, service.Name(), "spec.clusterIPs",
                $"Invalid value: [\"{text}\"]: failed to allocate IP {text}: provided IP is already allocated");
    }

    /// <summary>Somewhere in the upper part of the range, so that an asked-for low address is rarely taken.</summary>
    private static string Free(IPNetwork network, HashSet<string> taken, JsonObject service)
    {
        var bits = network.BaseAddress.GetAddressBytes().Length * 8 - network.PrefixLength;
        var size = 1 << Math.Min(bits, 16);
        for (var attempt = 0; attempt < size; attempt++)
        {
            var text = Offset(network, Random.Shared.Next(Math.Min(256, size / 4), size - 1)).ToString();
            if (!taken.Contains(text)) return text;
        }
        throw new ApiException(500, "InternalError", $"Service \"{service.Name()}\": range is full");
    }

    public static IPAddress Offset(IPNetwork network, int offset)
    {
        var bytes = network.BaseAddress.GetAddressBytes();
        var number = new BigInteger(bytes, isUnsigned: true, isBigEndian: true) + offset;
        var result = new byte[bytes.Length];
        var raw = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        raw.CopyTo(result.AsSpan(result.Length - raw.Length));
        return new IPAddress(result);
    }
}
