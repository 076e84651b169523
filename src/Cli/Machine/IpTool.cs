using System.Net;
using System.Text.Json;

namespace Telepresence.Cli.Machine;

/// <summary>Speaks to iproute2's <c>ip</c>: one process for many commands, JSON back.</summary>
internal static class IpTool
{
    /// <summary>Runs the commands in one process.</summary>
    /// <param name="family">4 or 6; 0 where the commands name addresses or links and need none. (A line of a batch takes no -4 itself.)</param>
    /// <param name="commands">Each as behind <c>ip</c>.</param>
    /// <param name="force">Goes on behind a command that fails, and does not fail itself.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="IOException">A command failed.</exception>
    internal static async Task BatchAsync(int family, IReadOnlyCollection<string> commands, bool force, CancellationToken cancellation)
    {
        if (commands.Count == 0)
            return;
        string[] arguments = [.. family == 0 ? (string[])[] : [$"-{family}"], .. force ? (string[])["-force"] : [], "-batch", "-"];
        ToolResult result = await Tool.TryRunAsync("ip", arguments, string.Join('\n', commands) + "\n", cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0 && !force)
            throw new IOException($"ip failed: {result.Error.Trim().Split('\n')[0]}");
    }

    /// <summary>Priority and table of each policy rule.</summary>
    internal static async Task<IReadOnlyList<(int Priority, int Table)>> RulesAsync(int family, CancellationToken cancellation)
    {
        using JsonDocument rules = await JsonAsync([$"-{family}", "-json", "-Numeric", "rule", "show"], cancellation).ConfigureAwait(false);
        List<(int, int)> found = [];
        foreach (JsonElement rule in rules.RootElement.EnumerateArray())
        {
            if (rule.TryGetProperty("table", out JsonElement table) && int.TryParse(table.GetString(), out int number))
                found.Add((rule.GetProperty("priority").GetInt32(), number));
        }

        return found;
    }

    /// <summary>The machine's own routes, those of the main table, and how many there are in table <paramref name="counted"/>.</summary>
    internal static async Task<(IReadOnlyList<MachineRoute> Main, int Count)> RoutesAsync(int family, int counted, CancellationToken cancellation)
    {
        using JsonDocument routes = await JsonAsync([$"-{family}", "-json", "-Numeric", "route", "show", "table", "all"], cancellation).ConfigureAwait(false);
        List<MachineRoute> found = [];
        int count = 0;
        foreach (JsonElement route in routes.RootElement.EnumerateArray())
        {
            // Only the main table's routes come without the table's name.
            if (route.TryGetProperty("table", out JsonElement table))
            {
                if (int.TryParse(table.GetString(), out int number) && number == counted)
                    count++;
                continue;
            }

            if (!route.TryGetProperty("dst", out JsonElement destination))
                continue;
            string device = route.TryGetProperty("dev", out JsonElement dev) ? dev.GetString()! : "";
            IPAddress? gateway = route.TryGetProperty("gateway", out JsonElement via) && IPAddress.TryParse(via.GetString(), out IPAddress? address) ? address : null;
            found.Add(new MachineRoute(ParsePrefix(destination.GetString()!, family), device, gateway));
        }

        return (found, count);
    }

    /// <summary>Empties a table; an absent one is empty already.</summary>
    internal static Task FlushTableAsync(int family, int table, CancellationToken cancellation) =>
        BatchAsync(family, [$"route flush table {table}"], force: true, cancellation);

    private static IPNetwork ParsePrefix(string text, int family)
    {
        if (text == "default")
            return family == 4 ? new IPNetwork(IPAddress.Any, 0) : new IPNetwork(IPAddress.IPv6Any, 0);
        return text.Contains('/', StringComparison.Ordinal)
            ? IPNetwork.Parse(text)
            : new IPNetwork(IPAddress.Parse(text), family == 4 ? 32 : 128);
    }

    private static async Task<JsonDocument> JsonAsync(string[] arguments, CancellationToken cancellation)
    {
        string output = await Tool.RunAsync("ip", arguments, input: null, cancellation).ConfigureAwait(false);
        return JsonDocument.Parse(output.Trim().Length == 0 ? "[]" : output);
    }
}

/// <summary>One route of the machine's main table.</summary>
/// <param name="Destination">Prefix.</param>
/// <param name="Device">Interface, or empty for a route without one.</param>
/// <param name="Gateway">Next hop, or null for a network that is directly connected.</param>
internal sealed record MachineRoute(IPNetwork Destination, string Device, IPAddress? Gateway);
