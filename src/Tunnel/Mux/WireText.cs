using System.Text;

namespace Telepresence.Tunnel.Mux;

/// <summary>Short texts in frames: UTF-8, cut to fit when written; control characters replaced when read, since people will see them.</summary>
internal static class WireText
{
    /// <summary>The longest beginning of <paramref name="text"/> that fits <paramref name="destination"/> in whole characters.</summary>
    /// <returns>Bytes written.</returns>
    internal static int Write(ReadOnlySpan<char> text, Span<byte> destination)
    {
        Encoder encoder = Encoding.UTF8.GetEncoder();
        encoder.Convert(text, destination, flush: true, out _, out int written, out _);
        return written;
    }

    internal static string Read(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes);
        return string.Create(text.Length, text, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
                span[i] = char.IsControl(source[i]) ? ' ' : source[i];
        });
    }
}
