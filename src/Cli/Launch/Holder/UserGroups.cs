using System.Runtime.InteropServices;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>A user's supplementary groups, from the group database.</summary>
internal static unsafe partial class UserGroups
{
    /// <summary>The groups of <paramref name="user"/>, the primary one among them.</summary>
    internal static IReadOnlyList<uint> Of(InvokingUser user)
    {
        for (int room = 64; ; room *= 2)
        {
            uint[] groups = new uint[room];
            int count = room;
            fixed (uint* at = groups)
            {
                if (getgrouplist(user.Name, user.Gid, at, &count) >= 0)
                    return groups[..count];
            }
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int getgrouplist(string user, uint group, uint* groups, int* count);
}
