using Telepresence.Cli.Launch.Preload;
using Telepresence.Preload.Tests.Harness;

namespace Telepresence.Preload.Tests;

/// <summary>What happens to the shim when programs start others.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ProcessTests(Cluster cluster)
{
    private static readonly string Probe = Path.Combine(Cluster.Programs, "glibc", "connect");

    [Fact]
    public async Task A_program_started_with_an_empty_environment_is_inside()
    {
        Output output = await cluster.BehindShimAsync("env", "-i", Probe);
        Assert.Contains("open: connected", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_python_starts_with_an_environment_of_its_own_is_inside()
    {
        Output output = await cluster.BehindShimAsync("python3", "-c", $"import subprocess; subprocess.run(['{Probe}'], env={{'A': 'b'}}, check=True)");
        Assert.Contains("open: connected", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_takes_LD_PRELOAD_out_on_purpose_is_outside()
    {
        Output output = await cluster.BehindShimAsync("env", "-u", "LD_PRELOAD", Probe);
        Assert.Contains("open: ENETUNREACH", output.Text, StringComparison.Ordinal);
        output = await cluster.BehindShimAsync("env", "LD_PRELOAD=", Probe);
        Assert.Contains("open: ENETUNREACH", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_library_that_a_script_preloads_comes_in_front_and_ours_stays()
    {
        string other = (await Shell.MustAsync("gcc", "-print-file-name=libubsan.so")).Trim();
        Output output = await cluster.BehindShimAsync("env", $"LD_PRELOAD={other}", "sh", "-c", "echo $LD_PRELOAD");
        Assert.Equal($"{other}:{Build.Library}\n", output.Text);
    }

    [Fact]
    public async Task A_library_that_was_preloaded_before_stays_in_front()
    {
        string other = (await Shell.MustAsync("gcc", "-print-file-name=libubsan.so")).Trim();
        IReadOnlyDictionary<string, string> variables = cluster.Method.Variables(other);
        Assert.Equal($"{other}:{Build.Library}", variables[PreloadEnvironment.LoaderVariable]);
        Output output = await cluster.BehindShimAsync(Build.Library, [$"LD_PRELOAD={variables[PreloadEnvironment.LoaderVariable]}"], "", "sh", "-c", $"exec {Probe}");
        Assert.Contains("open: connected", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Grandchildren_and_what_runs_on_in_the_background_are_inside()
    {
        Output output = await cluster.BehindShimAsync("sh", "-c", $"(setsid sh -c '{Probe} | cat' & wait)");
        Assert.Contains("open: connected", output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_static_program_runs_and_stays_outside()
    {
        Output output = await cluster.BehindShimAsync(Path.Combine(Cluster.Programs, "static", "connect"));
        Assert.Contains("open: ENETUNREACH", output.Text, StringComparison.Ordinal);
        Assert.Equal("", output.Errors);
    }

    [Fact]
    public async Task A_program_has_no_descriptor_more_than_without_the_shim()
    {
        string[] command = ["sh", "-c", "ls /proc/self/fd | wc -l"];
        Assert.Equal((await cluster.OnLaptopAsync(command)).ToString(), (await cluster.BehindShimAsync(command)).ToString());
    }

    [Fact]
    public async Task Programs_that_cannot_be_caught_are_named_once_each()
    {
        string statically = Path.Combine(Cluster.Programs, "static", "connect"), script = Path.Combine(Path.GetTempPath(), $"preload-tests-{Environment.ProcessId}.sh");
        await File.WriteAllTextAsync(script, $"#!{statically}\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        try
        {
            await cluster.BehindShimAsync("sh", "-c", $"{statically}; {statically}; {script}; PATH=$PATH:{Path.GetDirectoryName(script)}; env {Path.GetFileName(script)}; {Probe}");
        }
        finally
        {
            File.Delete(script);
        }

        string notice = Assert.Single(await cluster.NoticesAsync(), notice => notice.Contains("connect", StringComparison.Ordinal));
        Assert.StartsWith($"{statically} is linked statically", notice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_with_rights_of_its_own_is_named_to_those_who_do_not_have_them()
    {
        await cluster.BehindShimAsync("sh", "-c", "sudo -V; true");
        Assert.DoesNotContain(await cluster.NoticesAsync(), static notice => notice.Contains("/sudo", StringComparison.Ordinal));
        string copy = Path.Combine(Path.GetTempPath(), $"preload-tests-{Environment.ProcessId}-setgid");
        File.Copy(Probe, copy);
        try
        {
            await Shell.MustAsync("chgrp", "nogroup", copy);
            await Shell.MustAsync("chmod", "2755", copy);
            await cluster.BehindShimAsync("sh", "-c", $"{copy}; true");
        }
        finally
        {
            File.Delete(copy);
        }

        Assert.Contains(await cluster.NoticesAsync(), notice => notice.StartsWith($"{copy} runs with rights", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_program_that_sends_other_packets_is_named_and_sends_none()
    {
        Output output = await cluster.BehindShimAsync("ping", "-c", "1", "-W", "2", "10.99.0.1");
        Assert.Contains("100% packet loss", output.Text, StringComparison.Ordinal);
        Assert.Contains(await cluster.NoticesAsync(), static notice => notice.Contains("/ping sends packets that are neither TCP nor UDP", StringComparison.Ordinal));
    }
}
