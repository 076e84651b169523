using System.Net;

using Telepresence.Cli;
using Telepresence.Cli.Launch.Preload;

namespace Telepresence.Preload.Tests;

public sealed class EnvironmentTests
{
    [Theory]
    [InlineData("", "files dns")]
    [InlineData("hosts: files dns\n", "files dns")]
    [InlineData("# hosts: nis\nhosts:\tfiles mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns myhostname # end\n", "files myhostname dns mdns4_minimal")]
    [InlineData("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n", "files mymachines myhostname dns")]
    [InlineData("hosts: ldap sss files\npasswd: files\n", "files dns")]
    public void Name_services_that_ask_around_the_agent_are_left_out(string nsswitch, string line) =>
        Assert.Equal(line, PreloadEnvironment.HostsLine(nsswitch));

    [Theory]
    [InlineData(null, "/x/p.so")]
    [InlineData("", "/x/p.so")]
    [InlineData("/usr/lib/libjemalloc.so", "/usr/lib/libjemalloc.so:/x/p.so")]
    [InlineData("/a.so /b.so", "/a.so /b.so:/x/p.so")]
    [InlineData("/a.so:/x/p.so", "/a.so:/x/p.so")]
    public void LD_PRELOAD_keeps_what_it_had(string? inherited, string expected) =>
        Assert.Equal(expected, Create(inherited)[PreloadEnvironment.LoaderVariable]);

    [Fact]
    public void The_settings_say_all_that_the_shim_must_know() =>
        Assert.Equal("1;127.77;127.77.0.1;4053;files dns;/x/p.so;/run/x y/preload.sock", Create(null)[PreloadEnvironment.SettingsVariable]);

    [Fact]
    public void A_library_whose_path_LD_PRELOAD_cannot_hold_is_linked_to()
    {
        string directory = Directory.CreateTempSubdirectory("preload-tests-").FullName;
        try
        {
            string odd = Path.Combine(directory, "with blank.so");
            File.WriteAllText(odd, "");
            string link = PreloadLibrary.Place(odd, directory);
            Assert.DoesNotContain(' ', link);
            Assert.Equal(odd, File.ResolveLinkTarget(link, returnFinalTarget: true)!.FullName);
            Assert.Equal(link, PreloadLibrary.Place(link, directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Theory]
    [InlineData("2.31", true)]
    [InlineData("2.33-custom", true)]
    [InlineData("2.34", false)]
    [InlineData("3.0", false)]
    [InlineData("strange", false)]
    [InlineData(null, false)]
    public void A_C_library_in_which_the_shim_does_not_load_is_refused(string? version, bool refused)
    {
        if (refused)
            Assert.Contains("2.34", Assert.Throws<UserError>(() => GlibcVersion.Require(version)).Message, StringComparison.Ordinal);
        else
            GlibcVersion.Require(version);
        Assert.NotEqual("", GlibcVersion.Running);
    }

    [Theory]
    [InlineData("localhost", "127.0.0.1,::1", "localhost")]
    [InlineData("DB.", "10.0.0.5", "database")]
    [InlineData("nobody", null, null)]
    public void The_hosts_file_is_read_as_the_C_library_reads_it(string name, string? addresses, string? canonical)
    {
        HostsFile hosts = HostsFile.Parse("127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n# 10.0.0.4 db\n10.0.0.5 database db # the old one\nnonsense here\n10.0.0.6\n");
        Assert.Equal(addresses, hosts.Find(name) is { } found ? string.Join(',', found.Addresses) : null);
        Assert.Equal(canonical, hosts.Find(name)?.Name);
        Assert.Equal("database", hosts.Find(IPAddress.Parse("10.0.0.5")));
        Assert.Null(hosts.Find(IPAddress.Parse("10.0.0.9")));
    }

    [Fact]
    public void The_owner_of_a_socket_is_found_in_the_kernels_table()
    {
        string[] lines =
        [
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
            "  1: 0100007F:A001 01004D7F:A002 01 00000000:00000000 00:00000000 00000000  1001        0 1 2 0000000000000000 0",
            "  2: 00000000:A003 00000000:0000 07 00000000:00000000 00:00000000 00000000  1002        0 1 2 0000000000000000 0",
        ];
        string remote = SocketOwner.Format(Tunnel.Wire.NetAddress.Parse("127.77.0.1"), 0xa002, isIPv6: false);
        Assert.Equal(1001u, SocketOwner.FindLine(lines, SocketOwner.Format(Tunnel.Wire.NetAddress.Parse("127.0.0.1"), 0xa001, isIPv6: false), remote));
        Assert.Equal(1002u, SocketOwner.FindLine(lines, SocketOwner.Format(Tunnel.Wire.NetAddress.Parse("127.0.0.1"), 0xa003, isIPv6: false), remote));
        Assert.Null(SocketOwner.FindLine(lines, SocketOwner.Format(Tunnel.Wire.NetAddress.Parse("127.0.0.1"), 0xa004, isIPv6: false), remote));
    }

    private static IReadOnlyDictionary<string, string> Create(string? inherited) =>
        PreloadEnvironment.Create("/x/p.so", "/run/x y/preload.sock", new IPEndPoint(IPAddress.Parse("127.77.0.1"), 4053), "", inherited);
}
