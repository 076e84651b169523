namespace Telepresence.EndToEnd.Tree;

/// <summary>Where volumes go and whether they can be written, as the options say.</summary>
[Collection(OnPracticeCluster.Name)]
public sealed class MountOptionTests(PracticeClusterFixture cluster) : TreeTest(cluster)
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task A_directory_of_the_user_s_choice_has_them_while_the_session_runs(Way way)
    {
        (string name, string before) = await NamespaceAsync($"mount-path-{way.Label()}");
        LaptopUser user = Laptop.As(way.Person());
        string path = user.At("pod");
        (await user.RunAsync("mkdir", path)).Good();
        CommandResult run = await user.TelepresenceAsync(
            "--namespace", name, "--method", way.Method(), "--mount", path, "--run", "sh", "-c", $"echo $TELEPRESENCE_ROOT; cat {path}{ServiceAccount}/namespace");
        Assert.Equal($"{path}\n{name}", run.Good());
        Assert.Empty((await user.RunAsync("ls", "-A", path)).Good());
        (await user.RunAsync("rmdir", path)).Good();
        await IsAsItWasAsync(name, before);
    }

    [Fact]
    public async Task False_mounts_nothing()
    {
        (string name, string before) = await NamespaceAsync("mount-false");
        CommandResult run = await Laptop.As(Person.Jane).TelepresenceAsync("--namespace", name, "--mount", "false", "--run", "sh", "-c", $"ls {ServiceAccount} >/dev/null 2>&1 || echo none; echo \"<$TELEPRESENCE_ROOT>\"");
        Assert.Equal("none\n<>", run.Good());
        Assert.DoesNotContain("Volumes are rooted", run.Error, StringComparison.Ordinal);
        await IsAsItWasAsync(name, before);
    }

    [Theory]
    [ClassData(typeof(MainWays))]
    public async Task Volumes_can_be_written_when_asked_for(Way way)
    {
        string name = await Cluster.NamespaceAsync($"mount-write-{way.Label()}");
        await Cluster.ApplyAsync("""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: writes, namespace: $NAME}
            spec:
              selector: {matchLabels: {run: writes}}
              template:
                metadata: {labels: {run: writes}}
                spec:
                  containers:
                  - {name: reader, image: pause, volumeMounts: &mounts [{name: scratch, mountPath: /scratch}]}
                  - {name: proxy, image: $IMAGE, volumeMounts: *mounts}
                  volumes: [{name: scratch, emptyDir: {}}]
            """, name);
        await Cluster.RolledOutAsync(name, "writes");
        string before = await Cluster.SnapshotAsync(name);
        (await Laptop.As(way.Person()).TelepresenceAsync(
            "--namespace", name, "--deployment", "writes", "--method", way.Method(), "--mount-write", "--run", "sh", "-c", "echo written >/scratch/new && echo more >>$TELEPRESENCE_ROOT/scratch/new && mkdir /scratch/d && mv /scratch/new /scratch/d/moved && cat /scratch/d/moved")).Good();
        Assert.Equal("written\nmore", (await Cluster.Kubectl("exec", "-n", name, "deployment/writes", "-c", "reader", "--", "cat", "/scratch/d/moved")).Good());
        await IsAsItWasAsync(name, before);
    }
}
