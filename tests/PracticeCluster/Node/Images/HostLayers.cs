using System.Diagnostics;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// Root file systems made from the machine's own Debian: its programs, libraries and configuration, but not its users'
/// files, state or logs.
/// </summary>
/// <param name="directory">Where layers are kept, in the node's mount namespace.</param>
/// <param name="visible">Turns such a path into one that this process reaches.</param>
internal sealed class HostLayers(string directory, Func<string, string> visible)
{
    private const uint CharacterDevice = 0x2000;
    private static readonly string[] Kept = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "var"];
    private static readonly string[] Hidden =
        ["etc/ssh", "etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "var/log", "var/tmp", "var/spool", "var/backups", "var/mail", "var/cache"];
    private static readonly string[] Empty = ["dev", "proc", "sys", "run", "root", "home", "srv", "mnt", "media", "opt", "var/log", "var/cache"];

    private readonly Lock _gate = new();
    private string[]? _debian;
    private string? _busybox;

    /// <summary>A Debian, uppermost first: what is added, what is hidden, the machine's root.</summary>
    internal string[] Debian()
    {
        lock (_gate)
            return _debian ??= [MakeSkeleton(), MakeMask(), "/"];
    }

    /// <summary>A layer of files to put over <see cref="Debian"/>; an existing one is taken as it is.</summary>
    internal string Files(string name, IEnumerable<(string Path, string Text)> files, params (string Path, string Target)[] links)
    {
        string layer = $"{directory}/{name}";
        lock (_gate)
        {
            if (Directory.Exists(visible(layer)))
                return layer;
            foreach ((string path, string text) in files)
            {
                string file = visible(layer + path);
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllText(file, text);
            }

            foreach ((string path, string target) in links)
            {
                string link = visible(layer + path);
                Directory.CreateDirectory(Path.GetDirectoryName(link)!);
                File.CreateSymbolicLink(link, target);
            }
        }

        return layer;
    }

    /// <summary>Nothing but the static busybox under all its names.</summary>
    internal string Busybox()
    {
        lock (_gate)
            return _busybox ??= MakeBusybox();
    }

    // In a directory whose name the mask hides, only the skeleton's contents are seen: overlayfs stops at the whiteout.
    private string MakeSkeleton()
    {
        string layer = $"{directory}/skeleton";
        foreach (string name in Empty)
            Directory.CreateDirectory(visible($"{layer}/{name}"));
        File.SetUnixFileMode(visible($"{layer}/root"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        MakeTemporary($"{layer}/tmp");
        MakeTemporary($"{layer}/var/tmp");
        return layer;
    }

    private string MakeMask()
    {
        string layer = $"{directory}/mask";
        Directory.CreateDirectory(visible(layer));
        IEnumerable<string> hidden = Directory.EnumerateFileSystemEntries("/").Select(entry => Path.GetFileName(entry)).Except(Kept)
            .Concat(Hidden.Where(name => Path.Exists("/" + name)));
        foreach (string name in hidden)
        {
            string path = visible($"{layer}/{name}");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            Native.Check(Native.MakeNode(path, CharacterDevice, 0), $"cannot hide /{name}");
        }

        return layer;
    }

    private string MakeBusybox()
    {
        const string program = "/bin/busybox";
        if (!File.Exists(program))
            throw new NodeException("the package busybox-static is not installed");
        string layer = $"{directory}/busybox";
        foreach (string name in (string[])["bin", "etc", "dev", "proc", "sys", "run", "root", "home", "usr/bin", "var/spool"])
            Directory.CreateDirectory(visible($"{layer}/{name}"));
        MakeTemporary($"{layer}/tmp");
        MakeTemporary($"{layer}/var/tmp");
        File.Copy(program, visible($"{layer}/bin/busybox"));
        File.SetUnixFileMode(visible($"{layer}/bin/busybox"), (UnixFileMode)0x1ED);
        foreach (string applet in Applets(program))
            File.CreateSymbolicLink(visible($"{layer}/bin/{applet}"), "busybox");
        File.WriteAllText(visible($"{layer}/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n");
        File.WriteAllText(visible($"{layer}/etc/group"), "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n");
        File.WriteAllText(visible($"{layer}/etc/nsswitch.conf"), "hosts: files dns\n");
        return layer;
    }

    private static string[] Applets(string program)
    {
        var start = new ProcessStartInfo(program, "--list") { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.ASCII };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(name => name != "busybox")];
    }

    private void MakeTemporary(string path)
    {
        Directory.CreateDirectory(visible(path));
        File.SetUnixFileMode(visible(path), (UnixFileMode)0x3FF);
    }
}
