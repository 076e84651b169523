using Telepresence.Preload.Tests.Harness;

namespace Telepresence.Preload.Tests;

/// <summary>
/// One small program for each hook, run inside the cluster without the shim and outside of it with the shim: the same output. The programs
/// check most things themselves; what they print is what could differ.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class HookTests(Cluster cluster)
{
    public static TheoryData<string, string> ProgramsAndLibraries()
    {
        TheoryData<string, string> data = [];
        string[] programs =
        [
            "connect", "nonblocking", "getpeername", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "getnameinfo", "res_query", "exec", "fork", "threads", "signals", "refused", "bulk",
        ];
        foreach (string program in programs)
        {
            data.Add("glibc", program);
            data.Add("musl", program);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(ProgramsAndLibraries))]
    public async Task A_program_prints_the_same_behind_the_shim_as_inside_the_cluster(string libc, string program)
    {
        string path = Path.Combine(Cluster.Programs, libc, program);
        Output inside = await cluster.InClusterAsync(path);
        Output behind = await cluster.BehindShimAsync(path);
        Assert.Equal(0, inside.ExitCode);
        Assert.Equal(inside.ToString(), behind.ToString());
    }

    [Theory]
    [InlineData("glibc")]
    [InlineData("musl")]
    public async Task Without_the_shim_the_same_program_reaches_nothing(string libc)
    {
        Output output = await cluster.OnLaptopAsync(Path.Combine(Cluster.Programs, libc, "connect"));
        Assert.Contains("open: ENETUNREACH", output.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("glibc")]
    [InlineData("musl")]
    public async Task The_shim_made_with_the_headers_of_musl_does_the_same_in_both_libraries(string libc)
    {
        foreach (string program in (string[])["connect", "sendmsg", "getaddrinfo", "res_query"])
        {
            string path = Path.Combine(Cluster.Programs, libc, program);
            Output usual = await cluster.BehindShimAsync(path);
            Output other = await cluster.BehindShimAsync(Build.MuslLibrary, [], "", path);
            Assert.Equal(usual.ToString(), other.ToString());
        }
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("nonblocking")]
    [InlineData("getpeername")]
    [InlineData("sendto")]
    [InlineData("sendmsg")]
    [InlineData("getaddrinfo")]
    [InlineData("gethostbyname")]
    [InlineData("getnameinfo")]
    [InlineData("res_query")]
    [InlineData("threads")]
    public async Task The_sanitizers_find_nothing_and_change_nothing(string program)
    {
        string path = Path.Combine(Cluster.Programs, "glibc", program);
        string runtime = (await Shell.MustAsync("gcc", "-print-file-name=libasan.so")).Trim();
        Output usual = await cluster.BehindShimAsync(path);
        string[] settings = [$"LD_PRELOAD={runtime}:{Build.SanitizedLibrary}", "ASAN_OPTIONS=detect_leaks=0:exitcode=77", "UBSAN_OPTIONS=print_stacktrace=1"];
        Output sanitized = await cluster.BehindShimAsync(Build.SanitizedLibrary, settings, "", path);
        Assert.Equal(usual.ToString(), sanitized.ToString());
    }
}
