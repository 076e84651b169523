using System.Formats.Tar;

using Microsoft.Win32.SafeHandles;

using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Forward;
using Telepresence.Tunnel.Io;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Proxy;

/// <summary>
/// Answers streams of kind <see cref="StreamKind.Archive"/>: for laptops without FUSE, which keep a copy of a volume and ask every few
/// seconds whether it is still true.
/// </summary>
/// <remarks>
/// Looking at files and writing the archive block, so a thread of its own does it. The archive goes through a socket pair: what the
/// session cannot take yet stays in the kernel, and the pod's memory holds none of it.
/// </remarks>
internal sealed class ArchiveService(EventLoop loop, ChunkPool pool, Action<string> log)
{
    private const int MaxArchives = 8;

    private int _running;

    internal void Serve(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (ArchiveTarget.TryDecode(target) is not { } asked)
        {
            stream.Refuse(RefuseCode.ProtocolError, "malformed target", now);
            return;
        }

        if (_running >= MaxArchives)
        {
            stream.Refuse(RefuseCode.NoResources, $"{MaxArchives} archives are being made already", now);
            return;
        }

        _running++;
        _ = Task.Factory.StartNew(() => Look(stream, asked), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void Look(MuxStream stream, ArchiveTarget asked)
    {
        try
        {
            ArchivedTree tree = ArchivedTree.Read(asked.Path);
            loop.Post(() => Answer(stream, asked, tree, loop.Now));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            RefuseCode code = fault switch
            {
                FileNotFoundException or DirectoryNotFoundException => RefuseCode.NotFound,
                UnauthorizedAccessException => RefuseCode.Prohibited,
                InvalidDataException => RefuseCode.NoResources,
                _ => RefuseCode.Internal,
            };
            loop.Post(() => Finish(() => stream.Refuse(code, fault.Message, loop.Now)));
        }
    }

    private void Answer(MuxStream stream, ArchiveTarget asked, ArchivedTree tree, long now)
    {
        if (tree.Fingerprint.AsSpan().SequenceEqual(asked.Fingerprint))
        {
            stream.Accept(ArchiveTarget.Answer(changed: false, tree.Fingerprint), now);
            Finish(() => stream.WriteEnd(now));
        }
        else
        {
            Send(stream, asked, tree, now);
        }
    }

    private unsafe void Send(MuxStream stream, ArchiveTarget asked, ArchivedTree tree, long now)
    {
        int* pair = stackalloc int[2];
        if (stream.IsClosed || Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) != 0)
        {
            Finish(() => stream.Refuse(RefuseCode.NoResources, "out of descriptors", now));
            return;
        }

        // Ours is used with MSG_DONTWAIT throughout; the writer's blocks.
        SafeFileHandle far = new(pair[1], ownsHandle: true);
        stream.Accept(ArchiveTarget.Answer(changed: true, tree.Fingerprint), now);
        SocketRelay relay = new(loop, new FileDescriptor(pair[0]), stream, new ByteQueue(pool));
        relay.Start(now);
        _ = Task.Factory.StartNew(
            () => Write(stream, relay, asked.Path, tree, far), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void Write(MuxStream stream, SocketRelay relay, string path, ArchivedTree tree, SafeFileHandle far)
    {
        using FileStream output = new(far, FileAccess.Write, bufferSize: 0);
        try
        {
            TarWriter writer = new(output, TarEntryFormat.Pax, leaveOpen: true);
            tree.WriteTo(writer);

            // Half of the old and half of the new is neither.
            if (!ArchivedTree.Read(path).Fingerprint.AsSpan().SequenceEqual(tree.Fingerprint))
                throw new IOException($"{path} changed while it was read");
            writer.Dispose();
            loop.Post(() => Finish(static () => { }));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Posted before the socket is closed: the relay must not take its end for the archive's.
            RefuseCode code = fault is UnauthorizedAccessException ? RefuseCode.Prohibited : RefuseCode.ConnectionReset;
            loop.Post(() => Finish(() =>
            {
                if (!stream.IsClosed)
                    log($"archive broken off: {fault.Message}");
                stream.Reset(code, loop.Now);
                relay.OnReset(stream, code, loop.Now);
            }));
        }
    }

    private void Finish(Action last)
    {
        _running--;
        last();
    }
}
