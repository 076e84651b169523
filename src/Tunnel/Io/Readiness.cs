namespace Telepresence.Tunnel.Io;

/// <summary>What a file descriptor is ready for, or is watched for; values of epoll(7).</summary>
[Flags]
public enum Readiness : uint
{
    /// <summary>Nothing; errors and hang-ups are reported all the same.</summary>
    None = 0,

    /// <summary>EPOLLIN: a read would not block.</summary>
    Read = 0x001,

    /// <summary>EPOLLOUT: a write would not block.</summary>
    Write = 0x004,

    /// <summary>EPOLLERR.</summary>
    Error = 0x008,

    /// <summary>EPOLLHUP: both directions are closed.</summary>
    HangUp = 0x010,
}
