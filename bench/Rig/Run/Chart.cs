using System.Globalization;
using System.Security;
using System.Text;

namespace Telepresence.Rig.Run;

/// <summary>One bar.</summary>
/// <param name="Label">On its left.</param>
/// <param name="Value">Its length; null for none.</param>
/// <param name="Colour">As in SVG.</param>
internal sealed record Bar(string Label, double? Value, string Colour);

/// <summary>Bars that belong together.</summary>
/// <param name="Title">What they say.</param>
/// <param name="Format">Of the values.</param>
/// <param name="Bars">From top to bottom.</param>
internal sealed record Panel(string Title, string Format, IReadOnlyList<Bar> Bars);

/// <summary>Results as a picture (SVG): panels of bars, two side by side.</summary>
internal static class Chart
{
    /// <summary>Colours of bars.</summary>
    internal const string OurColour = "#1f6feb", PartColour = "#79b8ff", PeerColour = "#d99a3d", YardstickColour = "#b8b8b8";

    private const int Width = 920, LabelWidth = 110, ValueWidth = 60, BarHeight = 16, Gap = 4, TitleHeight = 26, HeadHeight = 40, Margin = 16, Columns = 2;

    internal static string ToSvg(string title, IReadOnlyList<Panel> panels)
    {
        StringBuilder body = new();
        int top = HeadHeight;
        foreach (Panel[] line in panels.Chunk(Columns))
        {
            for (int i = 0; i < line.Length; i++)
                Draw(body, line[i], Margin + i * (Width / Columns), top);
            top += TitleHeight + line.Max(static panel => panel.Bars.Count) * (BarHeight + Gap) + Margin;
        }

        return string.Create(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {top}" font-family="sans-serif" font-size="12" fill="#333333">
            <rect width="{Width}" height="{top}" fill="#ffffff"/>
            <text x="{Margin}" y="26" font-size="15" font-weight="bold">{SecurityElement.Escape(title)}</text>
            {body}</svg>

            """);
    }

    private static void Draw(StringBuilder svg, Panel panel, int left, int top)
    {
        const int longest = Width / Columns - LabelWidth - 2 * Margin - ValueWidth;
        double largest = Math.Max(panel.Bars.Max(static bar => bar.Value) ?? 0, double.Epsilon);
        svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{left}" y="{top + 16}" font-weight="bold">{SecurityElement.Escape(panel.Title)}</text>""");
        for (int i = 0; i < panel.Bars.Count; i++)
        {
            Bar bar = panel.Bars[i];
            int y = top + TitleHeight + i * (BarHeight + Gap), x = left + LabelWidth;
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{x - 8}" y="{y + 12}" text-anchor="end">{SecurityElement.Escape(bar.Label)}</text>""");
            if (bar.Value is not { } value)
                continue;
            int length = Math.Max(1, (int)(value / largest * longest));
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<rect x="{x}" y="{y}" width="{length}" height="{BarHeight}" fill="{bar.Colour}"/>""");
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{x + length + 6}" y="{y + 12}">{value.ToString(panel.Format, CultureInfo.InvariantCulture)}</text>""");
        }
    }
}
