using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Forward;

/// <summary>The owner of one stream in a test: keeps what comes, sends what it is given as credit allows.</summary>
internal sealed class StreamRecorder : IMuxStreamHandler
{
    private byte[] _toSend = [];
    private int _sent;
    private bool _endAfter;

    internal List<byte> Bytes { get; } = [];

    internal List<byte[]> Datagrams { get; } = [];

    internal bool Accepted { get; private set; }

    internal byte[] Info { get; private set; } = [];

    internal bool Ended { get; private set; }

    internal RefuseCode? Refused { get; private set; }

    internal string? Reason { get; private set; }

    internal RefuseCode? Reset { get; private set; }

    /// <summary>Whether received bytes are given back as credit at once.</summary>
    internal bool Consumes { get; set; } = true;

    internal void Send(MuxStream stream, byte[] bytes, bool thenEnd, long now)
    {
        _toSend = bytes;
        _sent = 0;
        _endAfter = thenEnd;
        Pump(stream, now);
    }

    public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
    {
        Accepted = true;
        Info = info.ToArray();
        Pump(stream, now);
    }

    public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now) => (Refused, Reason) = (code, reason);

    public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
    {
        Bytes.AddRange(bytes);
        if (Consumes)
            stream.Consume(bytes.Length, now);
    }

    public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now) => Datagrams.Add(datagram.ToArray());

    public void OnEnd(MuxStream stream, long now) => Ended = true;

    public void OnReset(MuxStream stream, RefuseCode code, long now) => Reset = code;

    public void OnSendSpace(MuxStream stream, long now) => Pump(stream, now);

    private void Pump(MuxStream stream, long now)
    {
        int count = Math.Min(stream.SendSpace, _toSend.Length - _sent);
        if (count > 0)
        {
            stream.Write(_toSend.AsSpan(_sent, count), now);
            _sent += count;
        }

        if (_sent == _toSend.Length && _endAfter)
        {
            _endAfter = false;
            stream.WriteEnd(now);
        }
    }
}
