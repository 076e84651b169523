using System.Net.Sockets;
using Telepresence.Tunnel.Stack;

namespace Telepresence.Tunnel.Tests.Stack.Kernel;

/// <summary>Real sockets over a link that loses, doubles and reorders; every byte is accounted for.</summary>
[Collection("Kernel")]
public class KernelFaultTests
{
    public static TheoryData<int, int, bool, bool> Runs
    {
        get
        {
            TheoryData<int, int, bool, bool> runs = [];
            for (int seed = 1; seed <= 12; seed++)
                runs.Add(seed, seed % 2 == 0 ? 1_500 : 65_520, seed % 3 != 0, seed % 4 >= 2);
            return runs;
        }
    }

    [KernelTheory]
    [MemberData(nameof(Runs))]
    public void Every_byte_arrives_over_a_bad_link(int seed, int mtu, bool offload, bool v6) => KernelHarness.Run(
        harness =>
        {
            long length = mtu == 1_500 ? 1 << 20 : 3 << 20;
            using (Socket up = KernelHarness.Connect(PortServices.Sink, v6))
                KernelTransfer.Upload(up, length + seed);
            using (Socket down = KernelHarness.Connect(PortServices.Source, v6))
                KernelTransfer.Download(down, length + seed);
            using (Socket both = KernelHarness.Connect(PortServices.Echo, v6))
                KernelTransfer.Echo(both, length / 2 + seed);
        },
        new StackOptions { Mtu = mtu, Offload = offload },
        new Faults { Loss = 0.02, Duplication = 0.02, Delay = 0.05, MaxDelay = 3_000, Full = 0.01 },
        seed,
        offloadIn: offload);

    [KernelFact]
    public void Heavy_loss_slows_but_never_corrupts() => KernelHarness.Run(
        _ =>
        {
            using (Socket up = KernelHarness.Connect(PortServices.Sink))
                KernelTransfer.Upload(up, 400_000);
            using (Socket down = KernelHarness.Connect(PortServices.Source))
                KernelTransfer.Download(down, 400_000);
        },
        new StackOptions { Mtu = 9_000 },
        new Faults { Loss = 0.1 },
        seed: 7);
}
