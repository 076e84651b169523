using System.Buffers.Binary;
using System.Text;

namespace Telepresence.Cli.Launch;

/// <summary>What the headers of an ELF file say about how it is loaded, see elf(5). Little-endian files only: x86 and arm64.</summary>
internal sealed record ElfFile
{
    private const int ClassAt = 4, DataAt = 5, Class64 = 2, LittleEndian = 1;
    private const int MaxHeaders = 4096, MaxNames = 1 << 20, MaxInterpreter = 4096;
    private const uint ProgramInterpreter = 3;

    /// <summary>64-bit words; otherwise 32.</summary>
    internal bool Is64Bit { get; private init; }

    /// <summary>The path in PT_INTERP: the loader; null when there is none.</summary>
    internal string? Interpreter { get; private init; }

    /// <summary>Whether it has a section in which the Go linker leaves its traces.</summary>
    internal bool IsGo { get; private init; }

    /// <summary>Reads the headers.</summary>
    /// <param name="file">Can seek.</param>
    /// <returns>Null when it is no ELF file, or one that makes no sense.</returns>
    internal static ElfFile? Read(Stream file)
    {
        byte[] header = new byte[64];
        int length = ReadAt(file, 0, header);
        if (length < 52 || !header.AsSpan().StartsWith("\u007fELF"u8) || header[DataAt] != LittleEndian)
            return null;
        bool is64 = header[ClassAt] == Class64;
        if (is64 && length < 64)
            return null;
        Layout layout = is64 ? Layout.Of64 : Layout.Of32;
        return new ElfFile
        {
            Is64Bit = is64,
            Interpreter = ReadInterpreter(file, header, layout),
            IsGo = HasGoSection(file, header, layout),
        };
    }

    private static string? ReadInterpreter(Stream file, byte[] header, Layout layout)
    {
        byte[] table = ReadTable(file, layout.Word(header, layout.ProgramsAt), Half(header, layout.ProgramSizeAt), Half(header, layout.ProgramSizeAt + 2));
        int size = Half(header, layout.ProgramSizeAt);
        for (int at = 0; size >= layout.ProgramLength && at + size <= table.Length; at += size)
        {
            ReadOnlySpan<byte> entry = table.AsSpan(at, size);
            if (BinaryPrimitives.ReadUInt32LittleEndian(entry) != ProgramInterpreter)
                continue;
            long length = layout.Word(entry, layout.SegmentLengthAt);
            byte[] path = new byte[Math.Clamp(length, 0, MaxInterpreter)];
            int read = ReadAt(file, layout.Word(entry, layout.SegmentAt), path);
            return Encoding.UTF8.GetString(path, 0, read).Split('\0')[0];
        }

        return null;
    }

    private static bool HasGoSection(Stream file, byte[] header, Layout layout)
    {
        int size = Half(header, layout.SectionSizeAt), count = Half(header, layout.SectionSizeAt + 2), names = Half(header, layout.SectionSizeAt + 4);
        byte[] table = ReadTable(file, layout.Word(header, layout.SectionsAt), size, count);
        if (size < layout.SectionLength || names >= count || (names + 1) * size > table.Length)
            return false;
        ReadOnlySpan<byte> entry = table.AsSpan(names * size, size);
        byte[] text = new byte[Math.Clamp(layout.Word(entry, layout.SectionLengthAt), 0, MaxNames)];
        int read = ReadAt(file, layout.Word(entry, layout.SectionAt), text);
        ReadOnlySpan<byte> all = text.AsSpan(0, read);
        return all.IndexOf("\0.go.buildinfo\0"u8) >= 0 || all.IndexOf("\0.note.go.buildid\0"u8) >= 0 || all.IndexOf("\0.gopclntab\0"u8) >= 0;
    }

    private static byte[] ReadTable(Stream file, long offset, int size, int count)
    {
        if (count is 0 or > MaxHeaders || size is 0 or > 256)
            return [];
        byte[] table = new byte[size * count];
        return table[..ReadAt(file, offset, table)];
    }

    private static int Half(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static int ReadAt(Stream file, long offset, byte[] buffer)
    {
        if (offset < 0 || offset > file.Length)
            return 0;
        file.Position = offset;
        return file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
    }

    /// <summary>Where the fields of a header, of a program header and of a section header stand.</summary>
    private sealed record Layout(
        bool Is64, int ProgramsAt, int SectionsAt, int ProgramSizeAt, int SectionSizeAt, int ProgramLength, int SegmentAt, int SegmentLengthAt,
        int SectionLength, int SectionAt, int SectionLengthAt)
    {
        internal static Layout Of64 { get; } = new(true, 32, 40, 54, 58, 56, 8, 32, 64, 24, 32);

        internal static Layout Of32 { get; } = new(false, 28, 32, 42, 46, 32, 4, 16, 40, 16, 20);

        internal long Word(ReadOnlySpan<byte> bytes, int offset) => Is64
            ? BinaryPrimitives.ReadInt64LittleEndian(bytes[offset..])
            : BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);
    }
}
