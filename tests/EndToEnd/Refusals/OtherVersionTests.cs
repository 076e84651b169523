using System.Buffers.Binary;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Telepresence.EndToEnd.Refusals;

/// <summary>A client of another version than the proxy's image, or than the daemon that runs.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class OtherVersionTests(PracticeClusterFixture cluster) : IAsyncLifetime
{
    private const string Other = "9.8.7";
    private Laptop _laptop = null!;
    private string _program = "";

    public async Task InitializeAsync()
    {
        _laptop = await cluster.LaptopAsync();
        _laptop.Environment["DOTNET_ROOT"] = PracticeClusterFixture.DotnetRoot;
        _program = MakeOtherVersion(Path.Combine(_laptop.Home, "other"));
    }

    public async Task DisposeAsync() => await _laptop.DisposeAsync();

    [Fact]
    public async Task An_image_of_another_version_is_refused_naming_both()
    {
        Assert.Equal(Other, (await _laptop.RunAsync(_program, "--version")).Good());
        string name = await cluster.NamespaceAsync("versions");
        string before = await _laptop.SnapshotAsync();
        (await _laptop.RunAsync(_program, "connect", "--namespace", name, "--image", $"telepresence/telepresence-k8s:{PracticeClusterFixture.Version}"))
            .Refused(72, PracticeClusterFixture.Version, Other);
        await _laptop.IsAsBeforeAsync(before);
        await cluster.NothingLeftAsync(name);
    }

    [Fact]
    public async Task A_running_daemon_of_another_version_is_named_and_can_be_quit()
    {
        string name = await cluster.NamespaceAsync("daemon-version");
        await _laptop.ConnectAsync("--namespace", name);
        (await _laptop.RunAsync(_program, "connect", "--namespace", name)).Refused(82, PracticeClusterFixture.Version, Other, "telepresence quit");
        Assert.Equal("Disconnected", (await _laptop.RunAsync(_program, "quit")).Good());
        await cluster.NothingLeftAsync(name);
    }

    // The same program with another number in its assembly's manifest, which is where it reads its version. A native program has none.
    private static string MakeOtherVersion(string directory)
    {
        Directory.CreateDirectory(directory);
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(PracticeClusterFixture.ManagedProgram)!))
            File.Copy(file, Path.Combine(directory, Path.GetFileName(file)));
        string assembly = Path.Combine(directory, "telepresence.dll");
        byte[] bytes = File.ReadAllBytes(assembly);
        int row;
        using (PEReader reader = new(new MemoryStream(bytes)))
            row = reader.PEHeaders.MetadataStartOffset + reader.GetMetadataReader().GetTableMetadataOffset(TableIndex.Assembly);

        // ECMA-335 II.22.2: a hash algorithm of four bytes, then four version numbers of two bytes each.
        ushort[] numbers = [.. Other.Split('.').Select(ushort.Parse)];
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(row + 4 + (2 * i)), numbers[i]);
        File.WriteAllBytes(assembly, bytes);
        return Path.Combine(directory, "telepresence");
    }
}
