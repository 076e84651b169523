using System.Buffers.Binary;

using Telepresence.Cli.Launch;
using Telepresence.Preload.Tests.Harness;

namespace Telepresence.Preload.Tests;

[Collection(ClusterCollection.Name)]
public sealed class ProgramInspectionTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("preload-tests-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_dynamic_program_of_glibc_can_be_caught()
    {
        ProgramInspection program = Inspect(Path.Combine(Build.Programs, "glibc", "connect"));
        Assert.Equal((ProgramLinkage.Dynamic, ProgramLibc.Glibc, ProgramObstacle.None), (program.Linkage, program.Libc, program.PreloadObstacle));
    }

    [Fact]
    public void A_dynamic_program_of_musl_can_be_caught()
    {
        ProgramInspection program = Inspect(Path.Combine(Build.Programs, "musl", "connect"));
        Assert.Equal((ProgramLinkage.Dynamic, ProgramLibc.Musl, ProgramObstacle.None), (program.Linkage, program.Libc, program.PreloadObstacle));
    }

    [Fact]
    public void A_static_program_cannot()
    {
        ProgramInspection program = Inspect(Path.Combine(Build.Programs, "static", "connect"));
        Assert.Equal(ProgramLinkage.Static, program.Linkage);
        Assert.Equal($"{program.Path} is linked statically, so --method preload cannot catch it: it stays outside the cluster. --method netns catches every program.", program.PreloadWarning);
    }

    [Theory]
    [InlineData(UnixFileMode.SetUser)]
    [InlineData(UnixFileMode.SetGroup)]
    public void A_program_that_runs_as_its_owner_cannot(UnixFileMode bit)
    {
        string copy = CopyOfProbe("owned");
        File.SetUnixFileMode(copy, File.GetUnixFileMode(copy) | bit);
        Assert.Equal(ProgramObstacle.GivesRights, Inspect(copy).PreloadObstacle);
    }

    [Fact]
    public async Task A_program_whose_file_gives_capabilities_cannot()
    {
        string copy = CopyOfProbe("capable");
        Assert.False(Inspect(copy).GivesRights);
        await Shell.MustAsync("setcap", "cap_net_raw+ep", copy);
        Assert.True(Inspect(copy).GivesRights);
        Assert.False(ProgramInspection.Find(copy, null, asRoot: true)!.GivesRights);
    }

    [Fact]
    public async Task A_program_of_the_Go_compiler_cannot_even_if_it_is_linked_dynamically()
    {
        string copy = CopyOfProbe("gopher"), section = Path.Combine(_directory, "section");
        await File.WriteAllTextAsync(section, "\u00ff Go buildinf:");
        await Shell.MustAsync("objcopy", "--add-section", $".go.buildinfo={section}", copy);
        ProgramInspection program = Inspect(copy);
        Assert.Equal((ProgramLinkage.Dynamic, true), (program.Linkage, program.IsGo));
        Assert.Equal(ProgramObstacle.Go, program.PreloadObstacle);
    }

    [Theory]
    [InlineData("#!/usr/bin/env python3\n", "python3")]
    [InlineData("#! /usr/bin/env -S A=b python3 -u\n", "python3")]
    [InlineData("#!/bin/sh -e\n", "sh")]
    public void A_script_is_what_its_interpreter_is(string line, string interpreter)
    {
        string script = Script("script", line);
        ProgramInspection program = Inspect(script);
        Assert.Equal(script, program.Script);
        Assert.Equal(Path.GetFileName(ProgramInspection.Find(interpreter, Environment.GetEnvironmentVariable("PATH"), asRoot: false)!.Path), Path.GetFileName(program.Path));
    }

    [Fact]
    public void Scripts_of_scripts_are_followed_and_rings_are_not()
    {
        string first = Script("first", "#!/bin/sh\n"), second = Script("second", $"#!{first}\n"), ring = Path.Combine(_directory, "ring");
        Script("ring", $"#!{ring}\n");
        Assert.Equal(second, Inspect(second).Script);
        Assert.Null(ProgramInspection.Find(ring, null, asRoot: false));
    }

    [Fact]
    public void Commands_are_found_in_PATH_only_when_they_may_be_run()
    {
        string program = Script("program", "#!/bin/sh\n");
        Assert.NotNull(ProgramInspection.Find("program", $"/nowhere:{_directory}", asRoot: false));
        Assert.Null(ProgramInspection.Find("program", "/nowhere", asRoot: false));
        File.SetUnixFileMode(program, UnixFileMode.UserRead);
        Assert.Null(ProgramInspection.Find("program", _directory, asRoot: false));
        Assert.Null(ProgramInspection.Find(Path.Combine(_directory, "missing"), null, asRoot: false));
    }

    [Fact]
    public void What_is_no_ELF_file_or_a_damaged_one_is_unknown_and_harmless()
    {
        byte[] good = File.ReadAllBytes(Path.Combine(Build.Programs, "glibc", "connect"));
        Assert.Null(ElfFile.Read(new MemoryStream("hello"u8.ToArray())));
        Assert.Null(ElfFile.Read(new MemoryStream()));
        Random random = new(1);
        for (int i = 0; i < 2000; i++)
        {
            byte[] bad = good[..random.Next(40, good.Length)];
            for (int j = 0; j < 8; j++)
                bad[random.Next(4, Math.Min(bad.Length, 1024))] = (byte)random.Next(256);
            _ = ElfFile.Read(new MemoryStream(bad));
        }
    }

    [Fact]
    public void A_32_bit_program_is_named()
    {
        byte[] header = new byte[256];
        "\u007fELF"u8.CopyTo(header);
        header[4] = header[5] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(28), 52); // program headers
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(42), 32);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(44), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(52), 3); // PT_INTERP
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(56), 128);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(68), 19);
        "/lib/ld-linux.so.2\0"u8.CopyTo(header.AsSpan(128));
        string path = Path.Combine(_directory, "old");
        File.WriteAllBytes(path, header);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        ProgramInspection program = Inspect(path);
        Assert.Equal((ProgramLinkage.Dynamic, ProgramLibc.Glibc, false), (program.Linkage, program.Libc, program.IsNative));
        Assert.Equal(ProgramObstacle.Is32Bit, program.PreloadObstacle);
    }

    private static ProgramInspection Inspect(string path) => ProgramInspection.Find(path, Environment.GetEnvironmentVariable("PATH"), asRoot: false)!;

    private string CopyOfProbe(string name)
    {
        string copy = Path.Combine(_directory, name);
        File.Copy(Path.Combine(Build.Programs, "glibc", "connect"), copy);
        return copy;
    }

    private string Script(string name, string text)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
