using System.Text;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Variables;

/// <summary>The files of <c>--env-file</c> and <c>--env-json</c>.</summary>
internal static class EnvironmentFiles
{
    /// <summary>Writes those that were asked for; secrets are in them, so nobody but their owner may read them.</summary>
    /// <param name="options">Which.</param>
    /// <param name="pod">The pod's variables.</param>
    /// <param name="say">Told what a file cannot hold.</param>
    /// <exception cref="UserError">One cannot be written.</exception>
    internal static void Write(LaunchOptions options, IReadOnlyDictionary<string, string> pod, Action<string> say)
    {
        if (options.EnvFile is { } file)
        {
            Write(file, EnvironmentFormat.Format("docker", pod, out IReadOnlyList<string> left));
            if (left.Count > 0)
                say($"Left out of {file}, because its form has no line breaks: {string.Join(", ", left)}.");
        }

        if (options.EnvJson is { } json)
            Write(json, EnvironmentFormat.Format("json", pod, out _));
    }

    private static void Write(string path, string text)
    {
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using FileStream stream = new(path, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = owner });
            if (FileStatus.Read(path, follow: true, out FileStatus status) == 0 && status.Kind == FileKind.Regular)
                File.SetUnixFileMode(stream.SafeFileHandle, owner);
            stream.Write(Encoding.UTF8.GetBytes(text));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new UserError(ExitCode.BadArguments, $"{path} cannot be written: {fault.Message.TrimEnd('.')}; name another file with --env-file or --env-json.", fault);
        }
    }
}
