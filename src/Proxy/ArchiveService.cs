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

    // By path: a volume that does not answer holds one thread, however often it is asked for.
    private readonly HashSet<string> _running = [];

    internal void Serve(MuxStream stream, ReadOnlySpan<byte> target, long now)
    {
        if (ArchiveTarget.TryDecode(target) is not { } asked)
        {
            stream.Refuse(RefuseCode.ProtocolError, "malformed target", now);
            return;
        }

        // Both are over soon, which the code says: the asker comes again.
        if (_running.Count >= MaxArchives)
        {
            stream.Refuse(RefuseCode.TimedOut, $"{MaxArchives} archives are being made already", now);
            return;
        }

        if (!_running.Add(asked.Path))
        {
            stream.Refuse(RefuseCode.TimedOut, $"{asked.Path} is being read already", now);
            return;
        }

        Start(
            stream,
            asked,
            () =>
            {
                ArchivedTree tree = ArchivedTree.Read(asked.Path);
                return () => Answer(stream, asked, tree, loop.Now);
            },
            fault => stream.Refuse(CodeOf(fault), fault.Message, loop.Now));
    }

    private static RefuseCode CodeOf(Exception fault) => fault switch
    {
        FileNotFoundException or DirectoryNotFoundException => RefuseCode.NotFound,
        UnauthorizedAccessException => RefuseCode.Prohibited,
        InvalidDataException => RefuseCode.NoResources,
        _ => RefuseCode.Internal,
    };

    // Work that may block, on a thread of its own. Whatever happens to it is caught here and nowhere else, and its turn ends once: here when
    // it fails, otherwise in what it gives to be done next, on the loop.
    private void Start(MuxStream stream, ArchiveTarget asked, Func<Action> work, Action<Exception> failed, IDisposable? held = null) => _ = Task.Factory.StartNew(
        () =>
        {
            Action next;
            try
            {
                next = work();
            }
            catch (Exception fault)
            {
                next = () =>
                {
                    _running.Remove(asked.Path);
                    if (!stream.IsClosed && CodeOf(fault) == RefuseCode.Internal)
                        log($"archive of {asked.Path}: {(fault is IOException ? fault.Message : fault)}");
                    failed(fault);
                };
            }

            // In this order: whoever sees the end of what was held must know already why.
            loop.Post(next);
            held?.Dispose();
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    private void Answer(MuxStream stream, ArchiveTarget asked, ArchivedTree tree, long now)
    {
        if (tree.Fingerprint.AsSpan().SequenceEqual(asked.Fingerprint))
        {
            _running.Remove(asked.Path);
            stream.Accept(ArchiveTarget.Answer(changed: false, tree.Fingerprint), now);
            stream.WriteEnd(now);
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
            _running.Remove(asked.Path);
            stream.Refuse(RefuseCode.TimedOut, "out of descriptors", now);
            return;
        }

        // Ours is used with MSG_DONTWAIT throughout; the writer's blocks.
        SafeFileHandle far = new(pair[1], ownsHandle: true);
        stream.Accept(ArchiveTarget.Answer(changed: true, tree.Fingerprint), now);
        SocketRelay relay = new(loop, new FileDescriptor(pair[0]), stream, new ByteQueue(pool));
        relay.Start(now);
        Start(
            stream,
            asked,
            () =>
            {
                Write(asked, tree, new FileStream(far, FileAccess.Write, bufferSize: 0));
                return () => _running.Remove(asked.Path);
            },
            fault =>
            {
                // After an answer, everything but a file that may not be read can be otherwise the next time.
                RefuseCode code = fault is UnauthorizedAccessException ? RefuseCode.Prohibited : RefuseCode.ConnectionReset;
                stream.Reset(code, loop.Now);
                relay.OnReset(stream, code, loop.Now);
            },
            held: far);
    }

    // Without its end mark until it is known to be of one moment, where that was asked for: half of the old and half of the new is neither.
    private static void Write(ArchiveTarget asked, ArchivedTree tree, FileStream output)
    {
        TarWriter writer = new(output, TarEntryFormat.Pax, leaveOpen: true);
        tree.WriteTo(writer, asked.Unquiet);
        if (!asked.Unquiet && !ArchivedTree.Read(asked.Path).Fingerprint.AsSpan().SequenceEqual(tree.Fingerprint))
            throw new IOException($"{asked.Path} changed while it was read");
        writer.Dispose();
    }
}
