using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

using Telepresence.Tunnel.Tests.Forward;

namespace Telepresence.Cli.Tests.Launch.Volumes;

/// <summary>
/// A pod with volumes: the real proxy with the real sftp-server in a root directory of its own, as an ordinary user. What lies in the directory
/// can be changed from outside, as kubelet does.
/// </summary>
internal sealed class PodFiles : IDisposable
{
    internal const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    private const string Start = """
        for d in usr dev; do mount --rbind /$d "$0/$d" || exit 1; done
        mount --bind "$1" "$0/app" && mount -t proc proc "$0/proc" || exit 1
        exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$0" /usr/bin/dotnet /app/telepresence-proxy.dll
        """;

    private readonly Process _proxy;
    private readonly ReservedPort _port = new();
    private int _rotations;

    internal PodFiles()
    {
        File.SetUnixFileMode(Root, (UnixFileMode)0x1ed);
        foreach (string name in (string[])["usr", "dev", "proc", "app", "tmp", "etc"])
            Directory.CreateDirectory(Path.Combine(Root, name));
        foreach (string name in (string[])["bin", "sbin", "lib", "lib64"])
            File.CreateSymbolicLink(Path.Combine(Root, name), $"usr/{name}");
        Write("/etc/passwd", "telepresence:x:65532:65532:telepresence:/:/usr/sbin/nologin\n");
        Rotate(ServiceAccount, ("token", "token 1\n"), ("ca.crt", "certificate\n"), ("namespace", "default"));
        Rotate("/etc/config", ("color", "blue\n"), ("size", "large\n"));
        Write("/data/number", "42\n");
        Directory.CreateDirectory(Root + "/run/app/config");
        Write("/etc/app/app.conf", "one file\n");
        ProcessStartInfo start = new("unshare", ["--mount", "--propagation", "private", "sh", "-c", Start, Root, ProxyDirectory]) { RedirectStandardOutput = true };
        start.Environment["TELEPRESENCE_PORT"] = Port.ToString(CultureInfo.InvariantCulture);
        start.Environment["TELEPRESENCE_KEY_HASH"] = Convert.ToHexStringLower(SHA256.HashData(Key));
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        _proxy = Process.Start(start)!;
        string? line;
        do
            line = _proxy.StandardOutput.ReadLine();
        while (line?.Contains("listening", StringComparison.Ordinal) == false);
        Assert.NotNull(line);
    }

    internal static byte[] Key { get; } = SHA256.HashData("a test's session key"u8);

    internal string Root { get; } = Directory.CreateTempSubdirectory("telepresence-pod-").FullName;

    internal ushort Port => _port.Number;

    /// <summary>Replaces all files of a volume at once, as kubelet does.</summary>
    internal void Rotate(string path, params (string Name, string Text)[] files)
    {
        string volume = Root + path, dated = $"..2025_01_01_{++_rotations}";
        Directory.CreateDirectory(Path.Combine(volume, dated));
        foreach ((string name, string text) in files)
            File.WriteAllText(Path.Combine(volume, dated, name), text);
        string link = Path.Combine(volume, "..data"), old = File.Exists(link) || Directory.Exists(link) ? Path.Combine(volume, new FileInfo(link).LinkTarget!) : "";
        File.CreateSymbolicLink(link + "_tmp", dated);
        Tunnel.Io.Libc.Rename(link + "_tmp", link);
        foreach ((string name, _) in files)
        {
            if (new FileInfo(Path.Combine(volume, name)).LinkTarget is null)
                File.CreateSymbolicLink(Path.Combine(volume, name), $"..data/{name}");
        }

        if (old.Length > 0)
            Directory.Delete(old, recursive: true);
    }

    internal void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Root + path)!);
        File.WriteAllText(Root + path, text);
    }

    public void Dispose()
    {
        _proxy.Kill();
        _proxy.WaitForExit();
        _proxy.Dispose();
        _port.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private static string ProxyDirectory
    {
        get
        {
            // bin/CONFIGURATION/net10.0 of this project, and of that.
            string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
            return Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../src/Proxy/bin", configuration, "net10.0"));
        }
    }
}
