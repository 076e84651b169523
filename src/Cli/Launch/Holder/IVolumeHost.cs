using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>What works on volumes in the holder's mount namespace, with the holder's rights.</summary>
internal interface IVolumeHost
{
    /// <summary>Does what a message of kind <see cref="MessageKind.Volumes"/> asks for.</summary>
    /// <param name="message">The message; its descriptors belong to the callee.</param>
    /// <returns>The answer, whose descriptors the channel closes; null when the message was no question.</returns>
    /// <exception cref="UserError">It could not be done; that is the answer then.</exception>
    Task<Message?> HandleAsync(Message message);
}
