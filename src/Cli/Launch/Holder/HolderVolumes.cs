using System.Text.Json;

using Telepresence.Cli.Daemon;
using Telepresence.Cli.Launch.Volumes;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>The session's way to the <see cref="VolumeMounter"/> in the holder.</summary>
internal sealed class HolderVolumes(HolderClient holder) : IVolumeHost
{
    /// <inheritdoc/>
    public Task<VolumeReport> ApplyAsync(VolumeRequest request, FileDescriptor? files, CancellationToken cancellation) =>
        AskAsync(VolumeMessages.Apply, JsonSerializer.Serialize(request, VolumeJson.Default.VolumeRequest), files, cancellation);

    /// <inheritdoc/>
    public Task<VolumeReport> RemountAsync(FileDescriptor files, CancellationToken cancellation) => AskAsync(VolumeMessages.Remount, "", files, cancellation);

    /// <inheritdoc/>
    public Task UnmountAsync(CancellationToken cancellation) => AskAsync(VolumeMessages.Unmount, "", files: null, cancellation);

    private async Task<VolumeReport> AskAsync(int what, string text, FileDescriptor? files, CancellationToken cancellation)
    {
        Message question = new() { Kind = MessageKind.Volumes, Code = what, Text = text, Descriptors = files is null ? [] : [files] };
        Message answer = await holder.CallVolumesAsync(question, cancellation);
        return HolderJson.Read(answer.Text, VolumeJson.Default.VolumeReport);
    }
}

/// <summary>Does in the holder what <see cref="HolderVolumes"/> asks for.</summary>
internal sealed class VolumeMessages(IVolumeHost mounter)
{
    internal const int Apply = 1, Remount = 2, Unmount = 3;

    /// <summary>Handles a message of kind <see cref="MessageKind.Volumes"/>.</summary>
    /// <exception cref="UserError">It could not be done; that is the answer then.</exception>
    internal async Task<Message> HandleAsync(Message message)
    {
        FileDescriptor? files = message.Descriptors.Count > 0 ? message.Descriptors[0] : null;
        try
        {
            VolumeReport report = message.Code switch
            {
                Apply => await mounter.ApplyAsync(HolderJson.Read(message.Text, VolumeJson.Default.VolumeRequest), files, CancellationToken.None),
                Remount when files is not null => await mounter.RemountAsync(files, CancellationToken.None),
                Unmount => await UnmountAsync(),
                _ => throw new IOException($"no such request about volumes: {message.Code}"),
            };
            return new Message { Kind = MessageKind.Volumes, Text = JsonSerializer.Serialize(report, VolumeJson.Default.VolumeReport) };
        }
        finally
        {
            files?.Dispose();
        }
    }

    private async Task<VolumeReport> UnmountAsync()
    {
        await mounter.UnmountAsync(CancellationToken.None);
        return new VolumeReport();
    }
}
