using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.Text.Json;

using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Mux;
using Telepresence.Tunnel.Tests.Forward;

namespace Telepresence.Proxy.Tests;

/// <summary>The archive that scripts/image makes: read as a container engine does, and run as a restricted pod does.</summary>
public sealed class ImageTests : IDisposable
{
    private const ushort Port = 7799;
    private const int FewFiles = 256;

    private readonly string _root = Directory.CreateTempSubdirectory("telepresence-image-").FullName;
    private readonly OciArchive _archive = new(FindArchive());

    public ImageTests() =>
        File.SetUnixFileMode(_root, File.GetUnixFileMode(_root) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void It_names_itself_for_every_kind_of_engine_and_runs_as_an_ordinary_user()
    {
        JsonElement config = _archive.Config.GetProperty("config");
        Assert.Equal("65532:65532", config.GetProperty("User").GetString());
        Assert.Equal("linux", _archive.Config.GetProperty("os").GetString());
        Assert.Equal("amd64", _archive.Config.GetProperty("architecture").GetString());
        JsonElement annotations = _archive.Index.GetProperty("annotations");
        Assert.Equal("1.0.0", annotations.GetProperty("org.opencontainers.image.ref.name").GetString());
        string tag = _archive.DockerManifest.GetProperty("RepoTags")[0].GetString()!;
        Assert.EndsWith("/telepresence-k8s:1.0.0", tag, StringComparison.Ordinal);
        Assert.EndsWith(tag, annotations.GetProperty("io.containerd.image.name").GetString(), StringComparison.Ordinal);
        Assert.All(
            _archive.DockerManifest.GetProperty("Layers").EnumerateArray().Append(_archive.DockerManifest.GetProperty("Config")),
            file => Assert.True(_archive.Has(file.GetString()!)));
    }

    [Fact]
    public void Its_variables_are_those_that_the_proxy_knows_for_the_images_own() =>
        Assert.Equal(
            PodInspector.ImageVariables.Select(static variable => $"{variable.Key}={variable.Value}").Order(StringComparer.Ordinal),
            _archive.Config.GetProperty("config").GetProperty("Env").EnumerateArray().Select(static variable => variable.GetString()).Order(StringComparer.Ordinal));

    [Fact]
    public void Nothing_in_it_is_a_shell_setuid_or_newer_than_the_epoch()
    {
        _archive.Unpack(_root);
        EnumerationOptions noLinks = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (string path in Directory.EnumerateFiles(_root, "*", noLinks))
        {
            UnixFileMode mode = File.GetUnixFileMode(path);
            Assert.Equal(UnixFileMode.None, mode & (UnixFileMode.SetUser | UnixFileMode.SetGroup | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
            Assert.DoesNotContain(Path.GetFileName(path), (string[])["sh", "bash", "dash", "busybox"]);
            Assert.Equal(2000, File.GetLastWriteTimeUtc(path).Year);
        }
    }

    [Fact]
    public void It_serves_from_a_read_only_root_without_any_privilege()
    {
        _archive.Unpack(_root);
        using Process proxy = Run();
        using ProxyClient client = new();
        try
        {
            UntilListening(proxy);
            string[] status = File.ReadAllLines($"/proc/{proxy.Id}/status");
            Assert.Contains(status, static line => line.StartsWith("Uid:\t65532\t65532\t65532", StringComparison.Ordinal));
            Assert.Contains("CapEff:\t0000000000000000", status);
            Assert.DoesNotMatch($@"Max open files +{FewFiles} ", File.ReadAllText($"/proc/{proxy.Id}/limits"));
            Assert.True(ResidentKilobytes(status) < 20 * 1024, $"idle, it needs {ResidentKilobytes(status)} kB");

            client.Link(Port);
            Assert.Equal(SessionState.Established, client.Session.State);
            StreamRecorder info = new(), files = new();
            client.Open(StreamKind.Info, [], info);
            client.Turns.Until(() => info.Ended);
            PodReport report = JsonSerializer.Deserialize([.. info.Bytes], PodReportJson.Default.PodReport)!;
            Assert.True(report.ServesFiles);
            Assert.Equal("hello", report.Environment["MYENV"]);
            Assert.DoesNotContain(report.Environment.Keys, static name => name.StartsWith("DOTNET_", StringComparison.Ordinal));

            MuxStream stream = client.Open(StreamKind.Files, [], files);
            client.Turns.Until(() => files.Accepted);
            stream.Write([0, 0, 0, 5, 1, 0, 0, 0, 3], client.Now);
            client.Turns.Until(() => files.Bytes.Count > 5);
            Assert.Equal(2, files.Bytes[4]);

            StreamRecorder archive = new();
            client.Open(StreamKind.Archive, new ArchiveTarget("/usr/share/doc", []).ToBytes(), archive);
            client.Turns.Until(() => archive.Ended);
            using TarReader reader = new(new MemoryStream([.. archive.Bytes]));
            Assert.Equal(ArchiveTarget.SelfName, reader.GetNextEntry()!.Name.TrimEnd('/'));
            Assert.NotNull(reader.GetNextEntry());
        }
        finally
        {
            Process.Start("kill", $"-TERM {proxy.Id}").WaitForExit();
        }

        client.Turns.Until(() => proxy.HasExited);
        Assert.Equal(0, proxy.ExitCode);
    }

    [Theory]
    [InlineData("1000680000:0")]
    [InlineData("7777:7777")]
    public void Files_are_served_to_a_user_whom_the_image_does_not_know(string user)
    {
        _archive.Unpack(_root);
        using Process proxy = Run(user);
        using ProxyClient client = new();
        try
        {
            UntilListening(proxy);
            client.Link(Port);
            StreamRecorder files = new();
            MuxStream stream = client.Open(StreamKind.Files, [], files);
            client.Turns.Until(() => files.Accepted);
            stream.Write([0, 0, 0, 5, 1, 0, 0, 0, 3], client.Now);
            client.Turns.Until(() => files.Bytes.Count > 5 || files.Ended);
            Assert.True(files.Bytes.Count > 5, "the file server ended");
            Assert.Equal(2, files.Bytes[4]);
        }
        finally
        {
            Process.Start("kill", $"-TERM {proxy.Id}").WaitForExit();
        }

        client.Turns.Until(() => proxy.HasExited);
    }

    private static string FindArchive()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Telepresence.sln")))
                continue;
            string path = Path.Combine(folder.FullName, "out", "telepresence-k8s-1.0.0.tar");
            Assert.True(File.Exists(path), $"{path} is not there; ./dev image makes it.");
            return path;
        }

        throw new InvalidOperationException("The tests do not run inside the repository.");
    }

    private static long ResidentKilobytes(string[] status) =>
        long.Parse(status.First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal))[6..^2].Trim(), CultureInfo.InvariantCulture);

    private static void UntilListening(Process proxy)
    {
        string? line;
        do
        {
            line = proxy.StandardOutput.ReadLine();
            Assert.NotNull(line);
        }
        while (!line.Contains("listening", StringComparison.Ordinal));
    }

    // As a runtime does with the image's config and a restricted pod's spec: few open files unless asked for more, its own mounts, read-only root, no new privileges, the
    // image's user. setpriv and unshare replace themselves, so the process is the proxy in the end.
    private Process Run(string user = "65532:65532")
    {
        string setUp = $"""
            mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" || exit 125
            ulimit -Sn {FewFiles}
            exec setpriv --no-new-privs chroot --userspec={user} --groups= "$0" "$@"
            """;
        JsonElement config = _archive.Config.GetProperty("config");
        ProcessStartInfo start = new("unshare") { RedirectStandardOutput = true };
        foreach (string argument in (string[])["--mount", "--propagation", "private", "sh", "-c", setUp, _root])
            start.ArgumentList.Add(argument);
        foreach (JsonElement word in config.GetProperty("Entrypoint").EnumerateArray())
            start.ArgumentList.Add(word.GetString()!);
        string path = Environment.GetEnvironmentVariable("PATH")!;
        start.Environment.Clear();
        foreach (JsonElement variable in config.GetProperty("Env").EnumerateArray())
        {
            string[] parts = variable.GetString()!.Split('=', 2);
            start.Environment[parts[0]] = parts[1];
        }

        start.Environment["PATH"] = path;
        start.Environment["MYENV"] = "hello";
        start.Environment[ProxySettings.PortVariable] = Port.ToString(CultureInfo.InvariantCulture);
        start.Environment[ProxySettings.KeyHashVariable] = ProxyClient.KeyHash;
        return Process.Start(start)!;
    }
}
