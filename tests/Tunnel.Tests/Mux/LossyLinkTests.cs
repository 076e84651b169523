using System.Buffers.Binary;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>
/// Two sessions over a link that is slow, cut at any byte, half-open, replaced and cut again during the handshake and the replay, all
/// from one seed. Every byte of every stream must arrive once, in order, and nothing may be left over.
/// </summary>
public sealed class LossyLinkTests
{
    public static TheoryData<int> Batches => new(Enumerable.Range(0, 20));

    [Theory]
    [MemberData(nameof(Batches))]
    public void Fifty_seeds_lose_nothing(int batch)
    {
        long replayed = 0;
        long takenOver = 0;
        long links = 0;
        for (int seed = batch * 50; seed < (batch + 1) * 50; seed++)
        {
            var scenario = new Scenario(seed);
            scenario.Run();
            replayed += scenario.Counters.FramesReplayed;
            takenOver += scenario.Takeovers;
            links += scenario.Counters.Links;
        }

        // Or the scenarios have become too tame to show anything.
        Assert.True(replayed > 100, $"{replayed} frames were replayed");
        Assert.True(takenOver > 10, $"{takenOver} links were taken over");
        Assert.True(links > 150, $"{links} links were used");
    }

    /// <summary>One seeded run.</summary>
    private sealed class Scenario
    {
        private readonly int _seed;
        private readonly Random _random;
        private readonly int _most;
        private readonly SessionPair _pair;
        private readonly List<Flow> _flows = [];
        private readonly Dictionary<int, Flow> _byTarget = [];

        internal Scenario(int seed)
        {
            _seed = seed;
            _random = new Random(seed);
            var options = new MuxSessionOptions
            {
                Version = "1",
                EarlyWindow = _random.Next(1, 3000),
                InitialWindow = _random.Next(1000, 20_000),
                WindowRest = _random.Next(1, 2_000_000),
                LinkWindow = _random.Next(1000, 30_000),
                MinLinkWindow = _random.Next(500, 10_000),
                MaxWindow = _random.Next(20_000, 100_000),
                MaxReceiveMemory = _random.Next(10_000, 200_000),
                MaxSendMemory = _random.Next(70_000, 300_000),
                MaxFrame = _random.Next(100, 32_000),
                SharedFrame = _random.Next(100, 16_000),
                MaxUnacknowledgedFrames = _random.Next(256, 2000),
                FirstSequence = seed % 2 == 0 ? 0 : (1L << 32) - _random.Next(1, 300),
            };
            int capacity = _random.Next(500, 50_000);
            long delay = _random.Next(0, 20_000);
            int slice = 1 << _random.Next(4, 16);
            _most = Math.Min(20_000, slice * 60);
            _pair = new SessionPair(options)
            {
                NewPipe = () => new FakePipe { Capacity = capacity, Delay = delay },
                Slice = () => _random.Next(1, slice),
            };
            _pair.ServerEnd.OnOpen = (recording, now) => Opened(recording.Stream, recording.Target, now);
            _pair.ClientEnd.OnOpen = (recording, now) => Opened(recording.Stream, recording.Target, now);
        }

        internal MuxCounters Counters => _pair.Client.Counters;

        internal int Takeovers => _pair.ServerEnd.Events.Count(happened => happened.StartsWith("dead: replaced", StringComparison.Ordinal));

        internal void Run()
        {
            int cuts = _random.Next(1, 12);
            int flows = _random.Next(1, 8);
            for (int i = 0; i < flows; i++)
                OpenFlow(_random);
            while (cuts-- > 0)
            {
                if (_pair.ClientLink is null)
                    _pair.Connect();
                bool clientNotices = _random.Next(4) != 0;
                Steps(_random.Next(4) == 0 ? _random.Next(0, 10) : _random.Next(0, 300));
                _pair.Cut(clientNotices, serverNotices: _random.Next(3) != 0);
                if (!clientNotices)
                    RunUntil(() => _pair.ClientLink is null, "the client did not notice that its link is dead");
                Steps(_random.Next(0, 5));
            }

            RunUntil(() => _flows.All(flow => flow.IsDone), "the flows did not finish");
            RunUntil(() => _pair.ClientPool.InUse + _pair.ServerPool.InUse == 0, "something stayed unacknowledged");
            foreach (Flow flow in _flows)
                flow.Check(Fail);
            if (_pair.Client.StreamCount + _pair.Server.StreamCount != 0)
                Fail($"{_pair.Client.StreamCount} and {_pair.Server.StreamCount} streams are left");
            if (_pair.Client.QueuedBytes + _pair.Server.QueuedBytes != 0)
                Fail($"{_pair.Client.QueuedBytes} and {_pair.Server.QueuedBytes} bytes are said to be queued");
            if (_pair.Client.Counters.ProtocolErrors + _pair.Server.Counters.ProtocolErrors != 0)
                Fail("one side thought that the other broke the protocol");
        }

        private void OpenFlow(Random random)
        {
            bool fromClient = random.Next(3) != 0;
            var flow = new Flow(_flows.Count, random, isDatagram: random.Next(4) == 0, _most);
            _flows.Add(flow);
            _byTarget.Add(flow.Number, flow);
            Span<byte> target = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(target, flow.Number);
            if (fromClient || _pair.Door.Sessions.Count == 0)
                flow.Opener.Attach(_pair.Client.Open(flow.Kind, target, flow.Opener, _pair.Now)!);
            else
                flow.Opener.Attach(_pair.Server.Open(flow.Kind, target, flow.Opener, _pair.Now)!);
        }

        private void Opened(MuxStream stream, byte[] target, long now)
        {
            Flow flow = _byTarget[BinaryPrimitives.ReadInt32BigEndian(target)];
            flow.Acceptor.Attach(stream);
            flow.Openings++;
        }

        private void Steps(int count)
        {
            for (int i = 0; i < count; i++)
            {
                _pair.Now += _random.Next(0, 3000);
                _pair.Poll();
                _pair.Move();
                foreach (Flow flow in _flows)
                    flow.Act(_random, _pair.Now);
                if (_flows.Count < 12 && _random.Next(100) == 0)
                    OpenFlow(_random);
            }
        }

        private void RunUntil(Func<bool> condition, string otherwise)
        {
            for (int i = 0; i < 200_000; i++)
            {
                if (condition())
                    return;
                if (_pair.ClientLink is null)
                    _pair.Connect();
                _pair.Now += i < 1000 ? 1000 : 20_000;
                _pair.Poll();
                _pair.Move();
                foreach (Flow flow in _flows)
                    flow.Act(_random, _pair.Now);
            }

            Fail(otherwise);
        }

        private void Fail(string what) => Assert.Fail(
            $"seed {_seed}: {what}\nclient: {_pair.Client.State} {_pair.Client.EndReason}; {string.Join(", ", _pair.ClientEnd.Events)}\n"
            + $"server: {_pair.Server.State} {_pair.Server.EndReason}\n{string.Join('\n', _flows)}");
    }

    /// <summary>One stream and what the programs at its two ends do with it.</summary>
    private sealed class Flow
    {
        internal Flow(int number, Random random, bool isDatagram, int most)
        {
            Number = number;
            Kind = isDatagram ? StreamKind.Udp : StreamKind.Tcp;
            bool refused = random.Next(10) == 0;
            bool reset = !refused && random.Next(6) == 0;
            Opener = new FlowEnd(this, isOpener: true, Total(random, most), reset && random.Next(2) == 0 ? random.Next(1, 200) : int.MaxValue);
            Acceptor = new FlowEnd(this, isOpener: false, refused ? 0 : Total(random, most), reset ? random.Next(1, 200) : int.MaxValue);
            Refused = refused;
            Reset = reset;
        }

        internal int Number { get; }

        internal StreamKind Kind { get; }

        internal bool Refused { get; }

        internal bool Reset { get; }

        internal FlowEnd Opener { get; }

        internal FlowEnd Acceptor { get; }

        internal int Openings { get; set; }

        internal bool IsDone => Opener.IsDone && Acceptor.IsDone;

        internal void Act(Random random, long now)
        {
            Opener.Act(random, now);
            Acceptor.Act(random, now);
        }

        internal void Check(Action<string> fail)
        {
            if (Openings != 1)
                fail($"stream {Number} was opened {Openings} times");
            Opener.Check(Acceptor, fail);
            Acceptor.Check(Opener, fail);
        }

        public override string ToString() => $"{Number} {Kind}{(Refused ? " refused" : "")}{(Reset ? " reset" : "")}: {Opener} | {Acceptor}";

        private static int Total(Random random, int most) => random.Next(4) == 0 ? random.Next(0, 10) : random.Next(0, most);
    }

    /// <summary>The program at one end: writes a pattern, checks the pattern of the other, ends, resets or refuses.</summary>
    private sealed class FlowEnd(Flow flow, bool isOpener, int total, int resetAfter) : IMuxStreamHandler
    {
        private MuxStream? _stream;
        private int _sent;
        private int _received;
        private int _unconsumed;
        private int _acts;
        private bool _ended;
        private bool _otherEnded;
        private bool _closed;
        private bool _wasRefused;
        private readonly List<byte[]> _accepted = [];
        private readonly List<byte[]> _arrived = [];
        private string? _fault;

        internal bool IsDone => _closed || (_ended && _otherEnded);

        internal void Attach(MuxStream stream)
        {
            _stream = stream;
            stream.Handler = this;
        }

        internal void Act(Random random, long now)
        {
            if (_stream is null || _closed)
                return;
            _acts++;
            if (!isOpener && !_stream.IsAccepted && random.Next(3) == 0)
            {
                if (flow.Refused)
                {
                    _stream.Refuse(RefuseCode.Refused, "no", now);
                    _closed = true;
                    return;
                }

                _stream.Accept([], now);
            }

            if (_acts > resetAfter)
            {
                _stream.Reset(RefuseCode.None, now);
                _closed = true;
                return;
            }

            int consume = random.Next(3) == 0 ? _unconsumed : random.Next(0, _unconsumed + 1);
            _unconsumed -= consume;
            _stream.Consume(consume, now);
            if (_ended || (!isOpener && !_stream.IsAccepted))
                return;
            if (flow.Kind == StreamKind.Udp)
                WriteDatagram(random, now);
            else
                WriteBytes(random, now);
            if (_sent < total)
                return;
            _ended = true;
            _stream.WriteEnd(now);
        }

        private void WriteBytes(Random random, long now)
        {
            int count = Math.Min(Math.Min(total - _sent, _stream!.SendSpace), random.Next(4) == 0 ? 1 : random.Next(0, 5000));
            byte[] bytes = new byte[count];
            for (int i = 0; i < count; i++)
                bytes[i] = Pattern(isOpener, _sent + i);
            if (random.Next(2) == 0)
            {
                _stream.Write(bytes, now);
                _sent += count;
            }
            else
            {
                Span<byte> span = _stream.GetWriteSpan(count);
                count = Math.Min(count, span.Length);
                bytes.AsSpan(0, count).CopyTo(span);
                _stream.Advance(count, now);
                _sent += count;
            }
        }

        private void WriteDatagram(Random random, long now)
        {
            int size = Math.Min(total - _sent, random.Next(8) == 0 ? random.Next(1, 10_000) : random.Next(1, 1500));
            if (size <= 0)
                return;
            byte[] datagram = new byte[size];
            random.NextBytes(datagram);
            if (_stream!.WriteDatagram(datagram, now))
                _accepted.Add(datagram);
            _sent += size;
        }

        internal void Check(FlowEnd other, Action<string> fail)
        {
            if (_fault is not null)
                fail($"{flow.Number}: {_fault}");
            bool cutShort = _closed || other._closed;
            if (flow.Kind == StreamKind.Tcp)
            {
                if (other._received > _sent || (!cutShort && other._received != _sent))
                    fail($"{flow.Number}: {_sent} bytes were sent, {other._received} arrived");
            }
            else if (!cutShort && other._arrived.Count != _accepted.Count)
            {
                fail($"{flow.Number}: {_accepted.Count} datagrams were accepted, {other._arrived.Count} arrived");
            }

            for (int i = 0; i < other._arrived.Count; i++)
            {
                if (!other._arrived[i].AsSpan().SequenceEqual(_accepted[i]))
                    fail($"{flow.Number}: datagram {i} is not the one that was sent");
            }

            if (!flow.Refused && !flow.Reset && (_closed || _wasRefused))
                fail($"{flow.Number}: closed for no reason");
            if (flow.Refused && isOpener && !_wasRefused)
                fail($"{flow.Number}: the refusal did not arrive");
        }

        public override string ToString() =>
            $"{(isOpener ? "opener" : "acceptor")} sent {_sent}/{total} received {_received} ended {_ended}/{_otherEnded} closed {_closed}"
            + $" space {_stream?.SendSpace} accepted {_stream?.IsAccepted}";

        public void OnAccepted(MuxStream stream, ReadOnlySpan<byte> info, long now)
        {
            if (flow.Refused)
                _fault = "accepted although it was refused";
        }

        public void OnRefused(MuxStream stream, RefuseCode code, string reason, long now)
        {
            _closed = _wasRefused = true;
            if (code != RefuseCode.Refused || reason != "no")
                _fault = $"wrong refusal {code} {reason}";
        }

        public void OnData(MuxStream stream, ReadOnlySpan<byte> bytes, long now)
        {
            if (_otherEnded || _closed)
                _fault = "data after the end";
            foreach (byte value in bytes)
            {
                if (value != Pattern(!isOpener, _received++))
                    _fault ??= $"wrong byte at {_received - 1}";
            }

            _unconsumed += bytes.Length;
        }

        public void OnDatagram(MuxStream stream, ReadOnlySpan<byte> datagram, long now)
        {
            if (_otherEnded || _closed)
                _fault = "datagram after the end";
            _arrived.Add(datagram.ToArray());
        }

        public void OnEnd(MuxStream stream, long now)
        {
            if (_otherEnded)
                _fault = "ended twice";
            _otherEnded = true;
        }

        public void OnReset(MuxStream stream, RefuseCode code, long now)
        {
            if (code != RefuseCode.None || _closed)
                _fault = $"reset {code}";
            _closed = true;
        }

        public void OnSendSpace(MuxStream stream, long now)
        {
            if (stream.SendSpace == 0)
                _fault = "offered no space";
        }

        private byte Pattern(bool opener, int offset) => (byte)(((offset * 31) + (offset >> 8) + (flow.Number * 7)) ^ (opener ? 0x55 : 0xAA));
    }
}
