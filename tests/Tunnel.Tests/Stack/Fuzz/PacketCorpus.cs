using System.Reflection;

namespace Telepresence.Tunnel.Tests.Stack.Fuzz;

/// <summary>
/// Frames that the Linux kernel wrote to a TUN device, one of each shape, as hex in the folder beside this file. A frame that once
/// broke something is added there and so stays a test.
/// </summary>
internal static class PacketCorpus
{
    public static IReadOnlyList<(string Name, byte[] Frame)> Packets { get; } = Load();

    private static List<(string, byte[])> Load()
    {
        Assembly assembly = typeof(PacketCorpus).Assembly;
        List<(string, byte[])> packets = [];
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.StartsWith("packets/", StringComparison.Ordinal)).Order())
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            packets.Add((name["packets/".Length..], Convert.FromHexString(reader.ReadToEnd().ReplaceLineEndings(""))));
        }
        return packets;
    }
}
