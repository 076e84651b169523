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
        private readonly List<LossyFlow> _flows = [];
        private readonly Dictionary<int, LossyFlow> _byTarget = [];

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
            foreach (LossyFlow flow in _flows)
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
            var flow = new LossyFlow(_flows.Count, random, isDatagram: random.Next(4) == 0, _most);
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
            LossyFlow flow = _byTarget[BinaryPrimitives.ReadInt32BigEndian(target)];
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
                foreach (LossyFlow flow in _flows)
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
                foreach (LossyFlow flow in _flows)
                    flow.Act(_random, _pair.Now);
            }

            Fail(otherwise);
        }

        private void Fail(string what) => Assert.Fail(
            $"seed {_seed}: {what}\nclient: {_pair.Client.State} {_pair.Client.EndReason}; {string.Join(", ", _pair.ClientEnd.Events)}\n"
            + $"server: {_pair.Server.State} {_pair.Server.EndReason}\n{string.Join('\n', _flows)}");
    }
}
