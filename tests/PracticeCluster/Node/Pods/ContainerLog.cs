using System.Globalization;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>What one run of a container wrote, line by line; the oldest lines give way beyond 10 MiB, as a kubelet rotates.</summary>
internal sealed class ContainerLog
{
    private const long MostBytes = 10 << 20;
    private readonly Lock _gate = new();
    private readonly LinkedList<Line> _lines = [];
    private long _size;
    private long _nextNumber;
    private bool _ended;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly record struct Line(long Number, DateTime Time, byte[] Text);

    /// <summary>A log that is over and says one thing.</summary>
    internal static ContainerLog Of(string text)
    {
        ContainerLog log = new();
        log.Append(Encoding.UTF8.GetBytes(text));
        log.End();
        return log;
    }

    /// <param name="text">With its newline, if it had one.</param>
    internal void Append(ReadOnlySpan<byte> text)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _lines.AddLast(new Line(_nextNumber++, DateTime.UtcNow, text.ToArray()));
            _size += text.Length;
            while (_size > MostBytes && _lines.Count > 1)
            {
                _size -= _lines.First!.Value.Text.Length;
                _lines.RemoveFirst();
            }

            changed = Turn();
        }

        changed.TrySetResult();
    }

    internal void End()
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _ended = true;
            changed = Turn();
        }

        changed.TrySetResult();
    }

    internal string Tail(int lines)
    {
        lock (_gate)
            return string.Concat(_lines.TakeLast(lines).Select(line => Encoding.UTF8.GetString(line.Text)));
    }

    internal async Task StreamAsync(LogOptions options, Stream output, CancellationToken cancel)
    {
        long next = FirstNumber(options);
        long left = options.LimitBytes ?? long.MaxValue;
        while (left > 0)
        {
            (List<Line> lines, bool ended, Task changed) = From(next, options);
            foreach (Line line in lines)
            {
                byte[] text = options.Timestamps ? [.. Encoding.ASCII.GetBytes(Stamp(line.Time)), .. line.Text] : line.Text;
                int take = (int)Math.Min(left, text.Length);
                await output.WriteAsync(text.AsMemory(0, take), cancel);
                left -= take;
                next = line.Number + 1;
            }

            if (lines.Count > 0)
                await output.FlushAsync(cancel);
            else if (ended || !options.Follow)
                return;
            else
                await changed.WaitAsync(cancel);
        }
    }

    /// <summary>Copies all that is written from now on.</summary>
    internal Task FollowFromNowAsync(Stream output, CancellationToken cancel) =>
        StreamAsync(new LogOptions(Follow: true, TailLines: 0), output, cancel);

    private static string Stamp(DateTime time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'00Z '", CultureInfo.InvariantCulture);

    private long FirstNumber(LogOptions options)
    {
        lock (_gate)
            return options.TailLines is long tail ? Math.Max(0, _nextNumber - tail) : 0;
    }

    private (List<Line> Lines, bool Ended, Task Changed) From(long number, LogOptions options)
    {
        lock (_gate)
        {
            var lines = new List<Line>();
            for (LinkedListNode<Line>? node = _lines.Last; node is not null && node.Value.Number >= number; node = node.Previous)
            {
                if (options.Since is null || node.Value.Time >= options.Since)
                    lines.Add(node.Value);
            }

            lines.Reverse();
            return (lines, _ended, _changed.Task);
        }
    }

    private TaskCompletionSource Turn()
    {
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return changed;
    }
}
