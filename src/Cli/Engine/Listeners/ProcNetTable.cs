using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;

using Microsoft.Win32.SafeHandles;

using Telepresence.Tunnel.Wire;

namespace Telepresence.Cli.Engine.Listeners;

/// <summary>Reads <c>net/tcp</c>, <c>tcp6</c>, <c>udp</c> and <c>udp6</c> of /proc (proc_pid_net(5)), for kernels without sock_diag.</summary>
/// <param name="directory"><c>/proc/self/net</c>, or another process's.</param>
internal sealed class ProcNetTable(string directory) : ISocketTable
{
    private const int TcpListen = 10, TcpClose = 7;

    private readonly byte[] _buffer = new byte[16 * 1024];

    /// <inheritdoc/>
    public bool Read(bool udp, List<BoundSocket> found)
    {
        string name = udp ? "udp" : "tcp";
        return ReadFile(Path.Combine(directory, name), udp, found) && (ReadFile(Path.Combine(directory, name + "6"), udp, found) || !File.Exists(Path.Combine(directory, name + "6")));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing stays open: an open file of another namespace would keep that.
    }

    /// <summary>Reads one line.</summary>
    /// <returns>False for one that makes no sense, such as the first.</returns>
    internal static bool TryParse(ReadOnlySpan<byte> line, out BoundSocket socket, out int state)
    {
        // "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123456 …"
        socket = default;
        state = 0;
        Span<Range> words = stackalloc Range[10];
        int count = Split(line, words);
        if (count < words.Length)
            return false;
        ReadOnlySpan<byte> local = line[words[1]];
        int colon = local.IndexOf((byte)':');
        if (colon is not (8 or 32)
            || !ushort.TryParse(local[(colon + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ushort port)
            || !int.TryParse(line[words[3]], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out state)
            || !Utf8Parser.TryParse(line[words[9]], out uint inode, out _))
            return false;

        // Words of 32 bits, printed as this machine's numbers, which their bytes in memory are not.
        Span<byte> address = stackalloc byte[16];
        for (int i = 0; i < colon / 8; i++)
        {
            if (!uint.TryParse(local.Slice(8 * i, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint word))
                return false;
            MemoryMarshal.Write(address[(4 * i)..], word);
        }

        socket = new BoundSocket(NetAddress.FromBytes(address[..(colon / 2)]), port, OnlyIPv6: false, inode);
        return true;
    }

    private static int Split(ReadOnlySpan<byte> line, Span<Range> words)
    {
        int count = 0, at = 0;
        while (count < words.Length)
        {
            while (at < line.Length && line[at] == ' ')
                at++;
            if (at == line.Length)
                break;
            int start = at;
            while (at < line.Length && line[at] != ' ')
                at++;
            words[count++] = start..at;
        }

        return count;
    }

    private bool ReadFile(string path, bool udp, List<BoundSocket> found)
    {
        int wanted = udp ? TcpClose : TcpListen;
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            long offset = 0;
            int kept = 0;
            while (true)
            {
                int count = RandomAccess.Read(file, _buffer.AsSpan(kept), offset);
                if (count == 0)
                    return true;
                offset += count;
                ReadOnlySpan<byte> rest = _buffer.AsSpan(0, kept + count);
                for (int end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
                {
                    if (TryParse(rest[..end], out BoundSocket socket, out int state))
                    {
                        if (state == wanted)
                            found.Add(socket);
                        else if (!udp)
                            return true; // listeners come first; what follows are the machine's connections
                    }

                    rest = rest[(end + 1)..];
                }

                rest.CopyTo(_buffer);
                kept = rest.Length;
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
