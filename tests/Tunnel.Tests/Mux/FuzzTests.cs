using Telepresence.Tunnel.Buffers;
using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>
/// Mutated hellos, welcomes and frames, from a checked-in corpus and a seed. Whatever comes, no exception leaves the session, its memory
/// stays bounded, and unless it ended, the next link is served. TELEPRESENCE_FUZZ_ROUNDS raises the number of rounds.
/// </summary>
public sealed class FuzzTests
{
    private static readonly Dictionary<string, byte[]> Corpus = Directory
        .GetFiles(Path.Combine(RepositoryRoot.Path, "tests", "Tunnel.Tests", "Mux", "Corpus"), "*.hex")
        .Order(StringComparer.Ordinal)
        .ToDictionary(path => Path.GetFileNameWithoutExtension(path), Read);

    private static readonly MuxSessionOptions Options = new()
    {
        Version = "1",
        EarlyWindow = 100,
        InitialWindow = 300,
        MaxStreams = 20,
        MaxPendingOpens = 10,
        MaxControlQueue = 200,
        MaxUnacknowledgedFrames = 100,
        SessionId = Guid.Parse("64656667-6869-6a6b-6c6d-6e6f70717273"),
        Key = SessionPair.Key,
    };

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("TELEPRESENCE_FUZZ_ROUNDS"), out int rounds) ? rounds : 4000;

    public static TheoryData<int> Seeds => [1, 2, 3, 4];

    public static TheoryData<string> Names => [.. Corpus.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_input_of_the_corpus_is_borne_whole_and_byte_by_byte(string name)
    {
        byte[] input = Corpus[name];
        foreach (int slice in new[] { int.MaxValue, 1, 13 })
        {
            if (name.StartsWith("hello", StringComparison.Ordinal))
                Knock(input);
            else
                Feed(new Victim(client: name.StartsWith("welcome", StringComparison.Ordinal), new Random(1)), input, slice);
        }
    }

    [Fact]
    public void The_corpus_reaches_what_its_names_say()
    {
        Assert.Equal(HelloRefusal.None, Knock(Corpus["hello-new"]));
        Assert.Equal(HelloRefusal.UnknownSession, Knock(Corpus["hello-resuming"]));
        Assert.Equal(HelloRefusal.WrongVersion, Knock(Corpus["hello-next-format"]));
        Assert.Equal(HelloRefusal.NotAHello, Knock(Corpus["hello-http"]));
        Assert.Equal(SessionState.Established, Feed(new Victim(client: true, new Random(1)), Corpus["welcome-new"], 1).State);
        Assert.Equal(HelloRefusal.OutOfStep, Feed(new Victim(client: true, new Random(1)), Corpus["welcome-ahead"], 1).Refusal);
        Assert.Equal(4, Feed(new Victim(client: false, new Random(1)), Corpus["frames-tcp"], 1).Counters.FramesReceived);
        Assert.Equal("the user said quit", Feed(new Victim(client: false, new Random(1)), Corpus["frames-goodbye"], 1).EndReason);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Mutated_frames_never_break_the_session(int seed)
    {
        var random = new Random(seed);
        byte[][] inputs = [.. Corpus.Where(entry => entry.Key.StartsWith("frames", StringComparison.Ordinal)).Select(entry => entry.Value)];
        MuxCounters total = default;
        for (int round = 0; round < Rounds; round++)
        {
            var victim = new Victim(client: false, random);
            for (int link = 0; link < 3 && victim.Session.State != SessionState.Ended; link++)
            {
                byte[] input = Mutate(random, [.. inputs[random.Next(inputs.Length)], .. inputs[random.Next(inputs.Length)]], (uint)victim.Session.Counters.FramesReceived);
                Feed(victim, input, random.Next(4) == 0 ? 1 : random.Next(1, 100));
                if (!victim.Session.IsLinkUp)
                    victim.Link();
            }

            MuxCounters counters = victim.Session.Counters;
            total.FramesReceived += counters.FramesReceived;
            total.ProtocolErrors += counters.ProtocolErrors;
            total.FramesDuplicate += counters.FramesDuplicate;
            total.FramesStray += counters.FramesStray;
            total.StreamsOpened += counters.StreamsOpened;
            victim.Session.End("done", victim.Now);
            victim.Session.LinkDown("done", victim.Now);
            Assert.Equal(0, victim.Pool.InUse);
        }

        Assert.True(total.FramesReceived > Rounds, "the mutations are too wild to get through");
        Assert.True(total.ProtocolErrors > Rounds / 10, "the mutations are too tame");
        Assert.True(total.FramesDuplicate > 0 && total.FramesStray > 0 && total.StreamsOpened > Rounds / 4);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Mutated_greetings_are_welcomed_or_refused(int seed)
    {
        var random = new Random(seed);
        byte[][] hellos = [.. Corpus.Where(entry => entry.Key.StartsWith("hello", StringComparison.Ordinal)).Select(entry => entry.Value)];
        byte[][] welcomes = [.. Corpus.Where(entry => entry.Key.StartsWith("welcome", StringComparison.Ordinal)).Select(entry => entry.Value)];
        for (int round = 0; round < Rounds; round++)
        {
            Knock(Scramble(random, hellos[random.Next(hellos.Length)]));
            Feed(new Victim(client: true, random), Scramble(random, welcomes[random.Next(welcomes.Length)]), random.Next(1, 50));
        }
    }

    private static byte[] Read(string path) =>
        Convert.FromHexString(string.Concat(File.ReadLines(path).Where(line => !line.StartsWith('#')).Select(line => line.Trim())));

    private static HelloRefusal Knock(byte[] input)
    {
        var door = new MuxAcceptor(
            Options with { Key = default },
            System.Security.Cryptography.SHA256.HashData(SessionPair.Key),
            maxSessions: 2,
            (options, now) => new MuxSession(SessionRole.Server, options, new ChunkPool(), new SessionEnd(), now));
        byte[] refusal = new byte[MuxAcceptor.MaxRefusalSize];
        for (int length = 0; length <= input.Length; length++)
        {
            LinkAdmission admission = door.Admit(input.AsSpan(0, length), refusal, 0);
            if (admission.Outcome == HelloParse.NeedMore)
                continue;
            Assert.InRange(admission.Consumed, 0, length);
            Assert.Equal(admission.Outcome == HelloParse.Bad, admission.RefusalLength > 0);
            return admission.Refusal;
        }

        return HelloRefusal.None;
    }

    private static MuxSession Feed(Victim victim, ReadOnlySpan<byte> input, int slice)
    {
        while (!input.IsEmpty)
        {
            int length = Math.Min(slice, input.Length);
            victim.Receive(input[..length]);
            input = input[length..];
        }

        return victim.Session;
    }

    /// <summary>Changes frames field by field and mostly numbers them again, so that what is behind a change is reached as well.</summary>
    private static byte[] Mutate(Random random, byte[] input, uint sequence)
    {
        List<byte> output = [];
        bool renumber = random.Next(8) != 0;
        for (int at = 0; at + FrameHeader.Size <= input.Length;)
        {
            FrameHeader header = FrameHeader.Read(input.AsSpan(at));
            byte[] payload = input[(at + FrameHeader.Size)..Math.Min(input.Length, at + FrameHeader.Size + header.Length)];
            at += FrameHeader.Size + header.Length;
            switch (random.Next(24))
            {
                case 0:
                    header = header with { Type = (FrameType)random.Next(26) };
                    break;
                case 1:
                    header = header with { Detail = (byte)random.Next(256) };
                    break;
                case 2:
                    header = header with { Length = random.Next(65_536) };
                    break;
                case 3:
                    header = header with { StreamId = (uint)random.Next(8) };
                    break;
                case 4:
                    header = header with { Sequence = (uint)random.Next(-3, 10) };
                    break;
                case 5:
                    random.NextBytes(payload);
                    break;
                case 6:
                    payload = new byte[random.Next(300)];
                    header = header with { Length = payload.Length };
                    break;
                case 7:
                    continue;
            }

            if (renumber && header.IsSequenced)
                header = header with { Sequence = random.Next(40) == 0 ? sequence : sequence++ };
            byte[] frame = new byte[FrameHeader.Size];
            header.Write(frame);
            output.AddRange(frame);
            output.AddRange(payload);
            if (random.Next(30) == 0)
                output.AddRange(frame);
        }

        return random.Next(4) == 0 ? Scramble(random, [.. output]) : [.. output];
    }

    /// <summary>Changes, cuts and repeats bytes without knowing what they mean.</summary>
    private static byte[] Scramble(Random random, byte[] input)
    {
        List<byte> output = [.. input];
        for (int changes = random.Next(4); changes > 0 && output.Count > 0; changes--)
        {
            int at = random.Next(output.Count);
            switch (random.Next(4))
            {
                case 0:
                    output[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    output[at] = (byte)random.Next(256);
                    break;
                case 2:
                    output.RemoveRange(at, Math.Min(output.Count - at, random.Next(1, 20)));
                    break;
                default:
                    output.InsertRange(at, output[at..Math.Min(output.Count, at + random.Next(1, 20))]);
                    break;
            }
        }

        return [.. output];
    }

    /// <summary>A session whose program does random things, checked after each slice.</summary>
    private sealed class Victim
    {
        private readonly Random _random;
        private readonly SessionEnd _end = new();
        private readonly bool _client;

        internal Victim(bool client, Random random)
        {
            _client = client;
            _random = random;
            Session = new MuxSession(client ? SessionRole.Client : SessionRole.Server, Options, Pool, _end, Now);
            _end.OnOpen = (stream, now) =>
            {
                if (_random.Next(3) == 0)
                    stream.Stream.Refuse(RefuseCode.Refused, "no", now);
                else if (_random.Next(3) != 0)
                    stream.Stream.Accept([], now);
            };
            Session.Open(StreamKind.Accepted, [1], new RecordingStream(), Now);
            Session.Open(StreamKind.Accepted, [2], new RecordingStream(), Now);
            Link();
        }

        internal long Now { get; private set; } = 1_000_000;

        internal ChunkPool Pool { get; } = new();

        internal MuxSession Session { get; }

        internal void Link()
        {
            if (_client)
            {
                Session.LinkUp(Now);
                return;
            }

            byte[] bytes = new byte[Hello.MaxSize];
            int length = Hello.Write(bytes, Options, resuming: true, (uint)(Session.Counters.FramesSent));
            Assert.Equal(HelloParse.Ok, Hello.TryParse(bytes.AsSpan(0, length), out Hello hello, out _));
            Session.AcceptLink(hello, Now);
        }

        internal void Receive(ReadOnlySpan<byte> bytes)
        {
            Now += _random.Next(1000);
            Session.Receive(bytes, Now);
            Session.Poll(Now);
            foreach (RecordingStream stream in _end.Opened)
            {
                if (_random.Next(20) == 0 && stream.Stream.SendSpace is > 0 and var space)
                    stream.Stream.Write(new byte[Math.Min(space, 50)], Now);
                if (_random.Next(200) == 0)
                    stream.Stream.Reset(RefuseCode.None, Now);
            }

            if (_random.Next(2) == 0)
                Wire.Send(Session, new FakePipe(), _random.Next(1, 200), Now);
            Assert.InRange(Session.StreamCount, 0, Options.MaxStreams);
            Assert.InRange(Pool.InUse, 0, (Options.MaxStreams + Options.MaxUnacknowledgedFrames + 2) * (long)ChunkPool.LargeSize);
            _ = Session.NextDeadline;
        }
    }
}
