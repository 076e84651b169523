namespace Telepresence.Cli;

/// <summary>Something that the user can understand and do something about: one sentence and an <see cref="Cli.ExitCode"/>.</summary>
internal sealed class UserError : Exception
{
    internal UserError(int exitCode, string sentence, Exception? cause = null)
        : base(sentence, cause) => ExitCode = exitCode;

    /// <summary>What the process ends with.</summary>
    internal int ExitCode { get; }
}
