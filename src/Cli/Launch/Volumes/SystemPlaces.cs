using System.IO.Enumeration;

namespace Telepresence.Cli.Launch.Volumes;

/// <summary>
/// What of this machine's file system no volume comes to, because programs of the tree would run, load or believe what is there: whoever
/// writes the pod's spec would have them run his own.
/// </summary>
/// <remarks>Applied to a volume's path as it is written and to where it leads, and as much to names that are not there yet: the absence of
/// <c>/etc/ld.so.preload</c> is the machine's own, too.</remarks>
internal static class SystemPlaces
{
    // They themselves, and not what lies below.
    private static readonly string[] Themselves =
    [
        "/", "/etc", "/home", "/root", "/run", "/tmp", "/var", "/var/lib", "/var/run", "/var/tmp",
    ];

    // With everything below: kernels' files, programs, libraries, and what they are started from.
    private static readonly string[] Trees =
    [
        "/bin", "/boot", "/dev", "/gnu", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/proc", "/sbin", "/snap", "/sys", "/usr", "/var/lib/dpkg", "/var/lib/rpm",
    ];

    // Names in /etc: who is who, which name is which address, and settings that name programs or libraries to run.
    private static readonly string[] Settings =
    [
        "X11", "alternatives", "apparmor*", "apt", "at.*", "bash*", "ca-certificates*", "cron*", "csh*", "dbus-1", "default", "dnf", "doas*", "dpkg", "emacs",
        "environment*", "fish", "fonts", "fstab", "fuse.conf", "gai.conf", "gdb", "git", "gitconfig", "group", "group-", "gshadow*", "gss", "gtk-*", "host.conf", "hostname",
        "hosts", "hosts.*", "init", "init.d", "inittab", "inputrc", "java", "java-*", "kernel", "krb5*", "ksh*", "ld.*", "ld-*", "libnl*", "localtime", "login.*", "machine-id",
        "mailcap*", "mime.types", "mksh*", "modprobe*", "modules*", "mtab", "nanorc", "networks", "nsswitch*", "npmrc", "openssl", "pam*", "passwd*", "perl",
        "polkit-1", "profile*", "protocols", "python*", "rc.*", "rc?.d", "resolv*", "rpc", "rpm", "ruby*", "screenrc", "security", "securetty", "selinux",
        "services", "shadow*", "shells", "skel", "ssh", "subgid*", "subuid*", "sudo*", "sysctl*", "systemd", "terminfo", "tmux.conf", "udev", "vim*", "wgetrc",
        "xdg", "yum*", "zlog*", "zprofile", "zsh*",
    ];

    // Certificates come to pods as new files here; what is there stays.
    private static readonly string[] Certificates = ["/etc/ssl", "/etc/pki"];

    /// <summary>Whether nothing may come to a path.</summary>
    /// <param name="path">Normalized.</param>
    /// <param name="programs">Directories whose programs run by their bare names.</param>
    internal static bool Hold(string path, IReadOnlyList<string> programs) =>
        Themselves.Contains(path)
        || Trees.Any(tree => VolumePaths.IsBelow(path, tree))
        || IsSetting(path)
        || programs.Any(directory => VolumePaths.IsBelow(path, directory) || VolumePaths.IsBelow(directory, path));

    /// <summary>Whether new names may come to a path, but nothing that is there may be covered or left out.</summary>
    internal static bool AreAddedToOnly(string path) => Certificates.Any(directory => VolumePaths.IsBelow(path, directory));

    /// <summary>Whether a path is a name in the home directory that decides which programs run, whether it is there or not: shells' and
    /// other programs' settings, and <c>bin</c>, which login shells add to PATH.</summary>
    internal static bool AreSettingsOf(string home, string path)
    {
        if (home.Length <= 1 || path == home || !VolumePaths.IsBelow(path, home))
            return false;
        string name = path[(home.Length + 1)..].Split('/')[0];
        return name.StartsWith('.') || name == "bin";
    }

    private static bool IsSetting(string path)
    {
        const string settings = "/etc/";
        if (!path.StartsWith(settings, StringComparison.Ordinal))
            return false;
        string name = path[settings.Length..].Split('/')[0];

        // One openssl.cnf is enough to load a library.
        return Settings.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false))
            || Certificates.Contains(path)
            || (AreAddedToOnly(path) && path.EndsWith(".cnf", StringComparison.Ordinal));
    }
}
