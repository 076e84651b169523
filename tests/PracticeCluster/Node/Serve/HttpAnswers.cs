using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// A small HTTP/1.1 server. <c>/ip</c>: the caller's address; <c>/hostname</c>; <c>/env/NAME</c>; <c>/headers</c>: the
/// request head as it came; <c>/bytes/N</c>: <see cref="DeterministicBytes"/>; <c>/bytes/N/sha256</c>: their checksum;
/// <c>PUT</c> or <c>POST /sha256</c>: checksum of the body; <c>/delay/MS</c>; <c>/status/CODE</c>; all else: the text.
/// </summary>
internal sealed class HttpAnswers(string text)
{
    private const int LongestHead = 16384;

    internal async Task ServeAsync(Socket socket, CancellationToken cancel)
    {
        byte[] buffer = new byte[DeterministicBytes.BlockSize];
        int filled = 0;
        while (true)
        {
            int end;
            while ((end = buffer.AsSpan(0, filled).IndexOf("\r\n\r\n"u8)) < 0)
            {
                int read = filled < LongestHead ? await socket.ReceiveAsync(buffer.AsMemory(filled), cancel) : 0;
                if (read == 0)
                    return;
                filled += read;
            }

            var request = Request.Parse(Encoding.Latin1.GetString(buffer, 0, end));
            buffer.AsSpan(end + 4, filled - end - 4).CopyTo(buffer);
            filled -= end + 4;
            if (request.ExpectsContinue)
                await SendAsync(socket, "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), cancel);
            string digest;
            (digest, filled) = await ReadBodyAsync(socket, buffer, filled, request.ContentLength, cancel);
            await AnswerAsync(socket, request, digest, cancel);
            if (request.Close)
                return;
        }
    }

    /// <summary>Takes the body off the connection; what came after it is at the buffer's start, in the number returned.</summary>
    private static async Task<(string Digest, int Left)> ReadBodyAsync(
        Socket socket, byte[] buffer, int filled, long length, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (true)
        {
            int take = (int)Math.Min(length, filled);
            hash.AppendData(buffer, 0, take);
            length -= take;
            if (length == 0)
            {
                buffer.AsSpan(take, filled - take).CopyTo(buffer);
                return (Convert.ToHexStringLower(hash.GetHashAndReset()), filled - take);
            }

            filled = await socket.ReceiveAsync(buffer, cancel);
            if (filled == 0)
                throw new SocketException((int)SocketError.ConnectionReset);
        }
    }

    private async Task AnswerAsync(Socket socket, Request request, string digest, CancellationToken cancel)
    {
        string[] path = request.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        switch (path)
        {
            case ["bytes", string number] when long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long length):
                await SendBytesAsync(socket, request, length, cancel);
                return;
            case ["bytes", string number, "sha256"] when long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long length):
                await SendTextAsync(socket, request, 200, DeterministicBytes.Sha256(length) + "\n", cancel);
                return;
            case ["ip"]:
                IPAddress address = ((IPEndPoint)socket.RemoteEndPoint!).Address;
                await SendTextAsync(socket, request, 200, (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address) + "\n", cancel);
                return;
            case ["hostname"]:
                await SendTextAsync(socket, request, 200, Environment.MachineName + "\n", cancel);
                return;
            case ["env", string name]:
                string? value = Environment.GetEnvironmentVariable(name);
                await SendTextAsync(socket, request, value is null ? 404 : 200, value + "\n", cancel);
                return;
            case ["headers"]:
                await SendTextAsync(socket, request, 200, request.Head + "\r\n", cancel);
                return;
            case ["sha256"]:
                await SendTextAsync(socket, request, 200, digest + "\n", cancel);
                return;
            case ["delay", string number] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int milliseconds):
                await Task.Delay(milliseconds, cancel);
                await SendTextAsync(socket, request, 200, text, cancel);
                return;
            case ["status", string number] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int status):
                await SendTextAsync(socket, request, status, text, cancel);
                return;
            default:
                await SendTextAsync(socket, request, 200, text, cancel);
                return;
        }
    }

    private static Task SendTextAsync(Socket socket, Request request, int status, string body, CancellationToken cancel)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(body);
        byte[] head = Head(status, "text/plain; charset=utf-8", bytes.Length);
        return SendAsync(socket, request.IsHead ? head : [.. head, .. bytes], cancel);
    }

    private static async Task SendBytesAsync(Socket socket, Request request, long length, CancellationToken cancel)
    {
        await SendAsync(socket, Head(200, "application/octet-stream", length), cancel);
        byte[] block = new byte[DeterministicBytes.BlockSize];
        for (long offset = 0; offset < length && !request.IsHead; offset += block.Length)
        {
            DeterministicBytes.FillBlock(block, offset);
            await SendAsync(socket, block.AsMemory(0, (int)Math.Min(block.Length, length - offset)), cancel);
        }
    }

    private static byte[] Head(int status, string type, long length) => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"HTTP/1.1 {status} {(status < 400 ? "OK" : "Error")}\r\nContent-Type: {type}\r\nContent-Length: {length}\r\n\r\n"));

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        while (data.Length > 0)
            data = data[await socket.SendAsync(data, cancel)..];
    }

    private sealed record Request(string Head, bool IsHead, string Path, long ContentLength, bool ExpectsContinue, bool Close)
    {
        internal static Request Parse(string head)
        {
            string[] lines = head.Split("\r\n");
            string[] first = lines[0].Split(' ');
            long length = 0;
            bool expects = false;
            bool close = lines[0].EndsWith("/1.0", StringComparison.Ordinal);
            foreach (string line in lines.Skip(1))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                string value = line[(colon + 1)..].Trim();
                switch (line[..Math.Max(colon, 0)].ToLowerInvariant())
                {
                    case "content-length":
                        _ = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out length);
                        break;
                    case "expect":
                        expects = true;
                        break;
                    case "connection":
                        close = value.Equals("close", StringComparison.OrdinalIgnoreCase);
                        break;
                }
            }

            string path = first.Length > 1 ? first[1].Split('?')[0] : "/";
            return new Request(head, first[0] == "HEAD", path, length, expects, close);
        }
    }
}
