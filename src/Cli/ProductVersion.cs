namespace Telepresence.Cli;

/// <summary>The version of this program, of the proxy image that it starts, and of the protocol between them.</summary>
internal static class ProductVersion
{
    /// <summary>Bare: <c>1.0.0</c>.</summary>
    internal static string Text { get; } = typeof(ProductVersion).Assembly.GetName().Version!.ToString(3);
}
