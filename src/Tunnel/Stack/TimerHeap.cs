namespace Telepresence.Tunnel.Stack;

/// <summary>
/// A binary heap of connections by the time each wants to be called. A connection's entry may be earlier than its true deadline:
/// arming a later time touches nothing, and an entry that fires early is put back. So the retransmission timer, restarted by
/// nearly every ACK, costs one comparison.
/// </summary>
internal sealed class TimerHeap
{
    private TcpConnection[] _heap = new TcpConnection[64];

    public int Count { get; private set; }

    public long Earliest => Count == 0 ? long.MaxValue : _heap[0].TimerKey;

    /// <summary>Makes sure that <paramref name="connection"/> fires at <paramref name="deadline"/> or earlier.</summary>
    public void Ensure(TcpConnection connection, long deadline)
    {
        if (deadline == long.MaxValue)
            return;
        if (connection.TimerIndex < 0)
        {
            if (Count == _heap.Length)
                Array.Resize(ref _heap, Count * 2);
            connection.TimerKey = deadline;
            Up(Count++, connection);
        }
        else if (deadline < connection.TimerKey)
        {
            connection.TimerKey = deadline;
            Up(connection.TimerIndex, connection);
        }
    }

    /// <summary>Takes out the connection whose entry is the earliest, if that is not after <paramref name="now"/>.</summary>
    public TcpConnection? TakeExpired(long now)
    {
        if (Count == 0 || _heap[0].TimerKey > now)
            return null;
        TcpConnection first = _heap[0];
        Remove(first);
        return first;
    }

    public void Remove(TcpConnection connection)
    {
        int index = connection.TimerIndex;
        if (index < 0)
            return;
        connection.TimerIndex = -1;
        TcpConnection last = _heap[--Count];
        _heap[Count] = null!;
        if (last == connection)
            return;
        if (index > 0 && _heap[(index - 1) / 2].TimerKey > last.TimerKey)
            Up(index, last);
        else
            Down(index, last);
    }

    private void Up(int index, TcpConnection connection)
    {
        while (index > 0)
        {
            int parent = (index - 1) / 2;
            if (_heap[parent].TimerKey <= connection.TimerKey)
                break;
            Place(index, _heap[parent]);
            index = parent;
        }
        Place(index, connection);
    }

    private void Down(int index, TcpConnection connection)
    {
        while (true)
        {
            int child = 2 * index + 1;
            if (child >= Count)
                break;
            if (child + 1 < Count && _heap[child + 1].TimerKey < _heap[child].TimerKey)
                child++;
            if (_heap[child].TimerKey >= connection.TimerKey)
                break;
            Place(index, _heap[child]);
            index = child;
        }
        Place(index, connection);
    }

    private void Place(int index, TcpConnection connection)
    {
        _heap[index] = connection;
        connection.TimerIndex = index;
    }
}
