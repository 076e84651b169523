using System.Globalization;

using Telepresence.Cli.Daemon;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>
/// For whom a holder works that runs as root. It learns it from the process that starts it while that is root still; whatever a session
/// that is the user's says later cannot change it.
/// </summary>
/// <param name="Uid">The user; never root.</param>
/// <param name="Gid">Primary group.</param>
/// <param name="Groups">All groups.</param>
internal sealed record HolderUser(uint Uid, uint Gid, IReadOnlyList<uint> Groups)
{
    private const string Option = "--user";

    /// <summary>The one of a process that sudo has started; null where there are no rights to be given up.</summary>
    internal static HolderUser? Of(InvokingUser user) =>
        Posix.geteuid() == 0 && user.Uid != 0 ? new HolderUser(user.Uid, user.Gid, UserGroups.Of(user)) : null;

    /// <summary>As arguments of the holder.</summary>
    internal IReadOnlyList<string> ToArguments() => [Option, string.Join(',', [Text(Uid), Text(Gid), .. Groups.Select(Text)])];

    /// <summary>Reads <see cref="ToArguments"/>; null when they are not there.</summary>
    internal static HolderUser? Parse(IReadOnlyList<string> arguments)
    {
        int at = arguments.ToList().IndexOf(Option);
        if (at < 0)
            return null;
        uint[] ids = [.. arguments[at + 1].Split(',').Select(static id => uint.Parse(id, CultureInfo.InvariantCulture))];
        return new HolderUser(ids[0], ids[1], ids[2..]);
    }

    private static string Text(uint id) => id.ToString(CultureInfo.InvariantCulture);
}
