using System.Globalization;
using System.Text;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch;

namespace Telepresence.Cli.Commands;

/// <summary>The text form of <c>status</c>: a block for each part, keys padded to one column.</summary>
internal static class StatusText
{
    /// <summary>Formats a report.</summary>
    internal static string Format(StatusReport report)
    {
        StringBuilder text = new();
        FormatUser(text, report.UserDaemon);
        FormatRoot(text, report.RootDaemon);
        FormatProxy(text, report.TrafficManager);
        foreach (SessionDescription session in report.Connections ?? [])
            FormatSession(text, session);
        return Terminal.Printable(text.ToString());
    }

    private static void FormatUser(StringBuilder text, UserDaemonStatus user)
    {
        if (!user.Running)
        {
            text.Append("User Daemon: Not running\n");
            return;
        }

        text.Append(CultureInfo.InvariantCulture, $"{user.Name}: Running\n");
        Table(text, 2,
        [
            ("Version", "v" + user.Version),
            ("Executable", user.Executable),
            ("User", user.User),
            ("Status", user.Status),
            ("Error", user.Error),
            ("Kubernetes server", user.KubernetesServer),
            ("Kubernetes context", user.KubernetesContext),
            ("Namespace", user.Namespace),
            ("Log", user.LogFile),
        ]);
    }

    private static void FormatRoot(StringBuilder text, RootDaemonStatus root)
    {
        if (!root.Running)
        {
            text.Append("Root Daemon: Not running\n");
            return;
        }

        text.Append(CultureInfo.InvariantCulture, $"{root.Name}: Running\n");
        Table(text, 2, [("Version", "v" + root.Version), ("Interface", root.Interface)]);
        if (root.Dns is { } dns)
        {
            text.Append("  DNS:\n");
            Table(text, 4,
            [
                ("Error", dns.Error),
                ("Local IP", dns.LocalIp),
                ("Remote IP", dns.RemoteIp),
                ("Include suffixes", Bracketed(dns.IncludeSuffixes)),
                ("Search path", Bracketed(dns.SearchPath)),
                ("Method", dns.Method),
            ]);
        }

        List(text, "Subnets", root.Subnets, "subnets");
        List(text, "Also Proxy", root.AlsoProxy, "subnets");
        List(text, "Never Proxy", root.NeverProxy, "subnets");
        List(text, "Notes", root.Notes, "notes");
    }

    private static void FormatProxy(StringBuilder text, ProxyStatus proxy)
    {
        if (proxy.Name is null)
        {
            text.Append("Traffic Manager: Not connected\n");
            return;
        }

        text.Append(CultureInfo.InvariantCulture, $"{proxy.Name}: {(proxy.Session == "Established" ? "Connected" : proxy.Session == "None" ? "Not connected" : proxy.Session)}\n");
        Table(text, 2,
        [
            ("Version", "v" + proxy.Version),
            ("Pod", proxy.Pod),
            ("Image", proxy.Image),
            ("Round trip", proxy.RoundTripMs is { } milliseconds ? string.Create(CultureInfo.InvariantCulture, $"{milliseconds} ms") : null),
            ("Connections", proxy.Connections?.ToString(CultureInfo.InvariantCulture)),
            ("Links so far", proxy.Links?.ToString(CultureInfo.InvariantCulture)),
        ]);
    }

    private static void FormatSession(StringBuilder text, SessionDescription session)
    {
        text.Append(CultureInfo.InvariantCulture, $"Session {session.Name}: {session.Status}\n");
        Table(text, 2,
        [
            ("Version", "v" + session.Version),
            ("Process", session.Pid.ToString(CultureInfo.InvariantCulture)),
            ("Error", session.Error),
            ("Kubernetes server", session.KubernetesServer),
            ("Kubernetes context", session.KubernetesContext),
            ("Namespace", session.Namespace),
            ("Deployment", $"{session.Name} ({session.Workload})"),
            ("Pod", session.Pod),
            ("Method", session.Method),
            ("Exposed ports", session.Exposed is null ? null : string.Join(' ', session.Exposed)),
            ("Volumes", session.Root),
            ("Log", session.LogFile),
        ]);
    }

    private static void Table(StringBuilder text, int indent, (string Key, string? Value)[] rows)
    {
        (string Key, string? Value)[] present = [.. rows.Where(static row => !string.IsNullOrEmpty(row.Value))];
        int width = present.Length == 0 ? 0 : present.Max(static row => row.Key.Length);
        foreach ((string key, string? value) in present)
            text.Append(' ', indent).Append(key.PadRight(width)).Append(": ").Append(value).Append('\n');
    }

    private static void List(StringBuilder text, string title, IReadOnlyList<string>? entries, string noun)
    {
        if (entries is null)
            return;
        text.Append(CultureInfo.InvariantCulture, $"  {title}: ({entries.Count} {(entries.Count == 1 ? noun.TrimEnd('s') : noun)})\n");
        foreach (string entry in entries)
            text.Append("  - ").Append(entry).Append('\n');
    }

    private static string? Bracketed(IReadOnlyList<string>? names) => names is null or [] ? null : $"[{string.Join(' ', names)}]";
}
