using System.Collections.Concurrent;

using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Daemon;

/// <summary>
/// The conversation between root daemon and user daemon: messages both ways, some of them questions that wait for their answer.
/// </summary>
internal sealed class DaemonChannel : IDisposable
{
    private const int BufferLength = 1 << 20;

    private readonly DescriptorSocket _socket;
    private readonly bool _takesDescriptors;
    private readonly Func<Message, Task<Message?>> _handle;
    private readonly Action<Exception> _fault;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<Message>> _waiting = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _reader;
    private readonly Lock _sending = new();
    private bool _disposed;
    private int _lastId;

    /// <summary>Takes over a socket; nothing is read before <see cref="Start"/>.</summary>
    /// <param name="socket">One end of the pair.</param>
    /// <param name="takesDescriptors">Whether open files may come with a message; where they may not, one that brings some ends the conversation.</param>
    /// <param name="handle">Handles a message and gives the answer, if it is a question. Messages are handed over in order; one that waits does not hold up the next.</param>
    /// <param name="fault">Is told what a handler threw: a bug.</param>
    internal DaemonChannel(DescriptorSocket socket, bool takesDescriptors, Func<Message, Task<Message?>> handle, Action<Exception> fault)
    {
        _socket = socket;
        _takesDescriptors = takesDescriptors;
        _handle = handle;
        _fault = fault;
        _reader = new Thread(Read) { IsBackground = true, Name = "daemon channel" };
    }

    /// <summary>Ends when the other daemon is gone.</summary>
    internal Task Closed => _closed.Task;

    /// <summary>Begins to read.</summary>
    internal void Start() => _reader.Start();

    /// <summary>
    /// Sends a message. When the other daemon is gone, or has not read for so long that the socket is full, nobody is there to read it, and
    /// <see cref="Closed"/> says so.
    /// </summary>
    internal void Post(Message message)
    {
        byte[] bytes = MessageJson.Encode(message);
        lock (_sending)
        {
            if (_disposed)
                return;
            try
            {
                _socket.Send(bytes, message.Descriptors);
            }
            catch (IOException fault) when (fault.HResult is Posix.EPIPE or Posix.ECONNRESET or Posix.ENOTCONN)
            {
                // Told by Closed.
            }
            catch (IOException fault) when (fault.HResult is Posix.EAGAIN)
            {
                _socket.Shutdown();
            }
        }
    }

    /// <summary>Asks and waits for the answer.</summary>
    /// <exception cref="UserError">The answer is a failure, or the other daemon is gone.</exception>
    internal async Task<Message> CallAsync(Message question, CancellationToken cancellation)
    {
        int id = Interlocked.Increment(ref _lastId);
        TaskCompletionSource<Message> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        try
        {
            Post(question with { Id = id });
            if (await Task.WhenAny(answer.Task, Closed).WaitAsync(cancellation) != answer.Task)
                throw new UserError(ExitCode.DaemonLost, "The other Telepresence daemon ended; connect again.");
            Message message = await answer.Task;
            return message.Kind == MessageKind.Failed ? throw message.ToError() : message;
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    /// <summary>Ends the conversation; the other daemon notices.</summary>
    public void Dispose()
    {
        _socket.Shutdown();
        if (_reader.ThreadState.HasFlag(ThreadState.Unstarted))
            _closed.TrySetResult();
        else if (Thread.CurrentThread != _reader)
            _reader.Join();
        lock (_sending)
        {
            // Its number may soon be another file's.
            _disposed = true;
            _socket.Dispose();
        }
    }

    private void Read()
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(BufferLength);
        try
        {
            while (true)
            {
                List<FileDescriptor> descriptors = [];
                int count = _socket.Receive(buffer, _takesDescriptors ? descriptors : null);
                if (count == 0)
                    return;
                Message message = MessageJson.Decode(buffer.AsSpan(0, count)) with { Descriptors = descriptors };
                if (message.ReplyTo is not int id)
                    _ = HandleAsync(message);
                else if (!_waiting.TryGetValue(id, out TaskCompletionSource<Message>? waiting) || !waiting.TrySetResult(message))
                    Close(descriptors);
            }
        }
        catch (Exception fault)
        {
            // The one catch-all of the thread: without it the daemon cannot go on, and Closed makes it end.
            _fault(fault);
        }
        finally
        {
            _closed.TrySetResult();
        }
    }

    private async Task HandleAsync(Message message)
    {
        Message? answer;
        try
        {
            answer = await _handle(message);
        }
        catch (UserError error)
        {
            answer = Message.Failure(error);
        }
        catch (OperationCanceledException)
        {
            answer = Message.Failure(new UserError(ExitCode.Interrupted, "Cancelled."));
        }
        catch (Exception fault)
        {
            // A bug in the handling of one message: it is logged, and the question gets an answer.
            _fault(fault);
            answer = Message.Failure(new UserError(ExitCode.Internal, $"A daemon failed: {fault.Message}."));
        }

        if (answer is null)
            return;
        if (message.Id is int id)
            Post(answer with { ReplyTo = id });
        Close(answer.Descriptors);
    }

    private static void Close(IEnumerable<FileDescriptor> descriptors)
    {
        foreach (FileDescriptor descriptor in descriptors)
            descriptor.Dispose();
    }
}
