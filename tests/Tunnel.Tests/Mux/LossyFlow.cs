using Telepresence.Tunnel.Mux;

namespace Telepresence.Tunnel.Tests.Mux;

/// <summary>One stream and what the programs at its two ends do with it.</summary>
internal sealed class LossyFlow
{
    internal LossyFlow(int number, Random random, bool isDatagram, int most)
    {
        Number = number;
        Kind = isDatagram ? StreamKind.Udp : StreamKind.Tcp;
        bool refused = random.Next(10) == 0;
        bool reset = !refused && random.Next(6) == 0;
        Opener = new LossyFlowEnd(this, isOpener: true, Total(random, most), reset && random.Next(2) == 0 ? random.Next(1, 200) : int.MaxValue);
        Acceptor = new LossyFlowEnd(this, isOpener: false, refused ? 0 : Total(random, most), reset ? random.Next(1, 200) : int.MaxValue);
        Refused = refused;
        Reset = reset;
    }

    internal int Number { get; }

    internal StreamKind Kind { get; }

    internal bool Refused { get; }

    internal bool Reset { get; }

    internal LossyFlowEnd Opener { get; }

    internal LossyFlowEnd Acceptor { get; }

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
