using System.Globalization;
using System.Text;

using Microsoft.Win32.SafeHandles;

using Telepresence.Cli.Daemon;
using Telepresence.Tunnel.Io;

namespace Telepresence.Cli.Launch.Holder;

/// <summary>Starts the holder through unshare(1), which becomes it once the namespaces are there.</summary>
internal sealed class HolderStart : IDisposable
{
    private readonly FileStream _complaints;

    private HolderStart(ChildProcess process, DescriptorSocket channel, FileStream complaints, bool rootless)
    {
        Process = process;
        Channel = channel;
        _complaints = complaints;
        Rootless = rootless;
    }

    /// <summary>unshare, then the holder.</summary>
    internal ChildProcess Process { get; }

    /// <summary>Our end of the channel.</summary>
    internal DescriptorSocket Channel { get; }

    /// <summary>Whether the namespaces belong to a user namespace.</summary>
    internal bool Rootless { get; }

    /// <summary>
    /// The arguments of unshare that make the namespaces. What is mounted inside is seen nowhere else; what the machine mounts later (a disk,
    /// a directory of autofs) still comes, and what it takes away goes.
    /// </summary>
    internal static IReadOnlyList<string> Flags(bool rootless, bool network) =>
        [.. rootless ? (string[])["--user", "--map-current-user", "--keep-caps"] : [], .. network ? (string[])["--net"] : [], "--mount", "--propagation", "slave"];

    /// <summary>Starts it.</summary>
    /// <exception cref="UserError">unshare is missing.</exception>
    /// <exception cref="IOException">The kernel refused.</exception>
    internal static HolderStart Begin(HolderOptions options, bool rootless)
    {
        string unshare = HolderTools.Find("unshare");
        HolderUser? user = HolderUser.Of(InvokingUser.Resolve());
        (DescriptorSocket mine, FileDescriptor theirs) = DescriptorSocket.CreatePair();
        (FileDescriptor read, FileDescriptor write) = Posix.CreatePipe();
        using (theirs)
        using (write)
        using (FileDescriptor error = Posix.Duplicate(2))
        {
            string[] only = options.Network ? [] : [HolderProcess.MountsOnly];
            (string program, string[] arguments) = SelfProgram.Command(["daemon-namespace", "--channel", Text(theirs), "--error", Text(error), .. only, .. user?.ToArguments() ?? []]);

            // The runtime's debugging socket would be a file in /tmp that outlives a holder that is killed. unshare's complaints are read.
            Dictionary<string, string> environment = new(user is null ? options.Environment : RootEnvironment.Make(), StringComparer.Ordinal)
            {
                ["DOTNET_EnableDiagnostics"] = "0",
                ["LC_ALL"] = "C",
            };
            ChildProcess process = ChildProcess.Start(
                unshare,
                [unshare, .. Flags(rootless, options.Network), "--", program, .. arguments],
                environment,
                directory: null,
                stopped: null,
                [(write.Number, 2), (theirs.Number, theirs.Number), (error.Number, error.Number)]);
            return new HolderStart(process, mine, new FileStream(new SafeFileHandle(read.Take(), ownsHandle: true), FileAccess.Read, bufferSize: 0), rootless);
        }
    }

    /// <summary>What unshare had to complain about, once it has ended.</summary>
    internal async Task<string> ReadComplaintsAsync(CancellationToken cancellation)
    {
        using StreamReader reader = new(_complaints, Encoding.UTF8, leaveOpen: true);
        return await reader.ReadToEndAsync(cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => _complaints.Dispose();

    private static string Text(FileDescriptor descriptor) => descriptor.Number.ToString(CultureInfo.InvariantCulture);
}
