using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Telepresence.EndToEnd.Harness;

/// <summary>A terminal of a laptop with a program in it, as a person sees and uses it.</summary>
internal sealed partial class TerminalWindow : IAsyncDisposable
{
    private const nuint GetNumber = 0x80045430, SetLock = 0x40045431, SetWindowSize = 0x5414;
    private const short Readable = 1;
    private const int Milliseconds = 50;
    private const int OpenFlags = 0x2 | 0x100 | 0x80000; // O_RDWR | O_NOCTTY | O_CLOEXEC
    private readonly StringBuilder _screen = new();
    private readonly SafeFileHandle _master;
    private readonly FileStream _keys;
    private Process? _process;
    private Task _reading = Task.CompletedTask;
    private volatile bool _closed;

    /// <param name="devices">The laptop's /dev, as this process sees it.</param>
    internal TerminalWindow(string devices)
    {
        _master = open(devices + "/pts/ptmx", OpenFlags);
        Assert.False(_master.IsInvalid, "no terminal could be had");
        int unlocked = 0, number = 0;
        Assert.Equal(0, ioctl(_master, SetLock, ref unlocked));
        Assert.Equal(0, ioctl(_master, GetNumber, ref number));
        Device = string.Create(CultureInfo.InvariantCulture, $"/dev/pts/{number}");
        _keys = new FileStream(_master, FileAccess.ReadWrite, bufferSize: 0);
        Resize(rows: 24, columns: 80);
    }

    /// <summary>Its name on the laptop.</summary>
    internal string Device { get; }

    /// <summary>All that was written to it so far.</summary>
    internal string Screen
    {
        get
        {
            lock (_screen)
                return _screen.ToString();
        }
    }

    internal void Attach(Process process)
    {
        _process = process;
        process.StandardInput.Close();
        _reading = Task.Run(Read);
    }

    /// <summary>Presses keys.</summary>
    internal void Type(string keys) => _keys.Write(Encoding.UTF8.GetBytes(keys));

    /// <summary>Types a line.</summary>
    internal void Enter(string line) => Type(line + "\r");

    /// <summary>Gives the window another size.</summary>
    internal void Resize(ushort rows, ushort columns)
    {
        WindowSize size = new() { Rows = rows, Columns = columns };
        Assert.Equal(0, ioctl(_master, SetWindowSize, ref size));
    }

    /// <summary>Closes the window, so that its programs get SIGHUP.</summary>
    internal async Task CloseAsync()
    {
        _closed = true; // a read that is under way would keep it open
        await _reading;
        await _keys.DisposeAsync();
    }

    /// <summary>Waits until a text stands in the window.</summary>
    internal async Task ShowsAsync(string text) =>
        await Eventually.GivesAsync($"the terminal shows: {text}", () => Task.FromResult(Screen), screen => screen.Contains(text, StringComparison.Ordinal));

    /// <summary>Waits for the program's end.</summary>
    /// <returns>Its exit code.</returns>
    internal async Task<int> EndAsync()
    {
        await _process!.WaitForExitAsync();
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        await CloseAsync();
    }

    private void Read()
    {
        byte[] buffer = new byte[4096];
        Decoder decoder = Encoding.UTF8.GetDecoder();
        char[] text = new char[4096];
        try
        {
            while (!_closed)
            {
                Poll poll = new() { Descriptor = _master.DangerousGetHandle().ToInt32(), Events = Readable };
                if (Wait(ref poll, 1, Milliseconds) != 1)
                    continue;
                if (_keys.Read(buffer) is not (int read and > 0))
                    break;
                int length = decoder.GetChars(buffer.AsSpan(0, read), text, flush: false);
                lock (_screen)
                    _screen.Append(text, 0, length);
            }
        }
        catch (IOException)
        {
            // Nobody has the other side open any more.
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows, Columns, Width, Height;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Poll
    {
        public int Descriptor;
        public short Events, Returned;
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Wait(ref Poll poll, nuint count, int milliseconds);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int ioctl(SafeFileHandle file, nuint request, ref int value);

    [LibraryImport("libc")]
    private static partial int ioctl(SafeFileHandle file, nuint request, ref WindowSize size);
}
