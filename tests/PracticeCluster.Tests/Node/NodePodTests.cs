using System.Text;
using Telepresence.PracticeCluster.Node;

namespace Telepresence.PracticeCluster.Tests.Node;

/// <summary>Pods: environment, volumes, identity, life cycle.</summary>
[Collection(nameof(NodeCollection))]
public sealed class NodePodTests(NodeFixture node)
{
    private const string NoLog = "unable to retrieve container logs for containerd://";

    [Fact]
    public async Task The_environment_is_what_was_declared()
    {
        node.Cluster.Put("configmaps", "env", "settings", """{ "data": { "color": "blue", "dotted.name": "x" } }""");
        node.Cluster.Put("secrets", "env", "login", """{ "data": { "user": "YWxpY2U=", "password": "czNjcmV0Cm11bHRpbGluZQ==" } }""");
        node.Cluster.Put("services", "env", "data-base", """
            { "metadata": { "name": "data-base" }, "spec": { "clusterIP": "10.96.7.7", "ports": [ { "name": "sql-port", "port": 5432 }, { "name": "udp", "port": 53, "protocol": "UDP" } ] } }
            """);
        node.Cluster.Put("services", "default", "kubernetes", """
            { "metadata": { "name": "kubernetes" }, "spec": { "clusterIP": "10.96.0.1", "ports": [ { "name": "https", "port": 443 } ] } }
            """);
        PodKey pod = node.Start("env", "env-pod", """
            { "serviceAccountName": "robot", "containers": [ { "name": "c", "image": "busybox", "command": ["sleep", "1000"],
              "resources": { "limits": { "cpu": "1500m", "memory": "64Mi" } },
              "envFrom": [ { "configMapRef": { "name": "settings" } }, { "prefix": "S_", "secretRef": { "name": "login" } }, { "secretRef": { "name": "absent", "optional": true } } ],
              "env": [
                { "name": "PLAIN", "value": "a b 'c' \"d\" $" },
                { "name": "COMPOSED", "value": "$(PLAIN)/$(DATA_BASE_SERVICE_HOST)/$(UNKNOWN)/$$(PLAIN)" },
                { "name": "EMPTY", "value": "" },
                { "name": "MY_POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "MY_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                { "name": "MY_LABEL", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
                { "name": "MY_ACCOUNT", "valueFrom": { "fieldRef": { "fieldPath": "spec.serviceAccountName" } } },
                { "name": "CPU", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } },
                { "name": "MEMORY", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
                { "name": "USER_NAME", "valueFrom": { "secretKeyRef": { "name": "login", "key": "user" } } },
                { "name": "ABSENT", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "none", "optional": true } } } ] } ] }
            """, """{ "labels": { "app": "shop" } }""");
        PodReport report = await node.RunningAsync(pod);
        Dictionary<string, string> environment = (await node.ShAsync("cat /proc/1/environ", pod)).Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        foreach ((string name, string value) in new Dictionary<string, string>
        {
            ["color"] = "blue",
            ["dotted.name"] = "x",
            ["S_user"] = "alice",
            ["S_password"] = "s3cret\nmultiline",
            ["PLAIN"] = "a b 'c' \"d\" $",
            ["COMPOSED"] = "a b 'c' \"d\" $/10.96.7.7/$(UNKNOWN)/$(PLAIN)",
            ["EMPTY"] = "",
            ["MY_POD"] = "env-pod",
            ["MY_IP"] = report.PodAddresses[0].ToString(),
            ["MY_LABEL"] = "shop",
            ["MY_ACCOUNT"] = "robot",
            ["CPU"] = "2",
            ["MEMORY"] = "64",
            ["USER_NAME"] = "alice",
            ["HOSTNAME"] = "env-pod",
            ["HOME"] = "/root",
            ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ["KUBERNETES_SERVICE_HOST"] = "10.96.0.1",
            ["KUBERNETES_SERVICE_PORT"] = "443",
            ["KUBERNETES_SERVICE_PORT_HTTPS"] = "443",
            ["DATA_BASE_SERVICE_HOST"] = "10.96.7.7",
            ["DATA_BASE_SERVICE_PORT_SQL_PORT"] = "5432",
            ["DATA_BASE_PORT"] = "tcp://10.96.7.7:5432",
            ["DATA_BASE_PORT_53_UDP"] = "udp://10.96.7.7:53",
            ["DATA_BASE_PORT_5432_TCP_ADDR"] = "10.96.7.7",
        })
            Assert.Equal((name, value), (name, environment.GetValueOrDefault(name)));
        Assert.False(environment.ContainsKey("ABSENT"));
        Assert.Equal("env-pod\n", await node.ShAsync("hostname", pod));
        Assert.Equal("search env.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n", await node.ShAsync("cat /etc/resolv.conf", pod));
    }

    [Fact]
    public async Task Volumes_appear_with_their_modes_and_follow_their_sources_atomically()
    {
        node.Cluster.Put("configmaps", "vol", "config", """{ "data": { "a.conf": "one", "b.conf": "two" } }""");
        node.Cluster.Put("secrets", "vol", "cert", """{ "data": { "key.pem": "a2V5" } }""");
        PodKey pod = node.Start("vol", "vol-pod", """
            { "serviceAccountName": "robot", "securityContext": { "fsGroup": 2000 },
              "containers": [ { "name": "c", "image": "busybox", "command": ["sleep", "1000"], "securityContext": { "runAsUser": 1000, "runAsGroup": 1000 },
                "volumeMounts": [
                  { "name": "config", "mountPath": "/etc/config" }, { "name": "cert", "mountPath": "/certs", "readOnly": true },
                  { "name": "config", "mountPath": "/etc/one.conf", "subPath": "a.conf" },
                  { "name": "info", "mountPath": "/podinfo" }, { "name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true },
                  { "name": "scratch", "mountPath": "/scratch" } ] },
                { "name": "side", "image": "busybox", "command": ["sleep", "1000"], "volumeMounts": [ { "name": "scratch", "mountPath": "/other" } ] } ],
              "volumes": [
                { "name": "config", "configMap": { "name": "config" } },
                { "name": "cert", "secret": { "secretName": "cert", "defaultMode": 256, "items": [ { "key": "key.pem", "path": "tls/server.pem" } ] } },
                { "name": "info", "downwardAPI": { "items": [ { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } } ] } },
                { "name": "token", "projected": { "sources": [
                  { "serviceAccountToken": { "path": "token", "expirationSeconds": 3607 } },
                  { "configMap": { "name": "kube-root-ca.crt", "items": [ { "key": "ca.crt", "path": "ca.crt" } ] } },
                  { "downwardAPI": { "items": [ { "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } } ] } } ] } },
                { "name": "scratch", "emptyDir": {} } ] }
            """, """{ "labels": { "app": "shop", "tier": "web" } }""");
        await NodeFixture.EventuallyAsync(() => Task.FromResult(node.Cluster.Events.Any(e => e.Pod == pod && e.Reason == "FailedMount")));
        node.Cluster.Put("configmaps", "vol", "kube-root-ca.crt", """{ "data": { "ca.crt": "CA" } }""");
        node.Node.VolumeSourceChanged("configmaps", "vol", "kube-root-ca.crt");
        await node.RunningAsync(pod);

        Assert.Equal("one two key\n", await node.ShAsync("echo $(cat /etc/config/a.conf) $(cat /etc/config/b.conf) $(cat /certs/tls/server.pem)", pod));
        Assert.Equal("..data/a.conf 644 440 2000", (await node.ShAsync("echo $(readlink /etc/config/a.conf) $(stat -L -c %a /etc/config/a.conf) $(stat -L -c '%a %g' /certs/tls/server.pem)", pod)).Trim());
        Assert.Equal("app=\"shop\"\ntier=\"web\"", await node.ShAsync("cat /podinfo/labels", pod));
        Assert.StartsWith("token-robot-", await node.ShAsync("cat /var/run/secrets/kubernetes.io/serviceaccount/token", pod), StringComparison.Ordinal);
        Assert.Equal("CAvol", await node.ShAsync("cd /var/run/secrets/kubernetes.io/serviceaccount; cat ca.crt namespace", pod));
        Assert.Contains("Read-only file system", await node.ShAsync("echo x >/certs/new", pod), StringComparison.Ordinal);
        Assert.Equal("1000 1000 2000\n", await node.ShAsync("echo hi >/scratch/file; echo $(id -u) $(id -g) $(stat -c %g /scratch/file)", pod));
        Assert.Equal("hi\n", await node.ShAsync("cat /other/file", pod, "side"));
        Assert.Equal("one", await node.ShAsync("cat /etc/one.conf", pod));

        node.Cluster.Put("configmaps", "vol", "config", """{ "data": { "a.conf": "changed", "c.conf": "three" } }""");
        node.Node.VolumeSourceChanged("configmaps", "vol", "config");
        Assert.Equal("changed a.conf c.conf", (await node.ShAsync("echo $(cat /etc/config/a.conf) $(ls /etc/config)", pod)).Trim());
        Assert.Equal("one", await node.ShAsync("cat /etc/one.conf", pod));
    }

    [Fact]
    public async Task A_restricted_pod_has_no_rights_and_its_sysctls()
    {
        PodKey pod = node.Start("default", "restricted", """
            { "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "sysctls": [
                { "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }, { "name": "net.ipv4.ping_group_range", "value": "0 2147483647" } ] },
              "containers": [ { "name": "c", "image": "debian", "command": ["socat", "TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:id -u"],
                "securityContext": { "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } } } ] }
            """);
        PodReport report = await node.RunningAsync(pod);
        await NodeFixture.EventuallyAsync(async () => await node.ShAsync($"socat - TCP:{report.PodAddresses[0]}:80") == "65532\n");
        foreach (string process in (string[])["1", "self"])
        {
            string status = await node.ShAsync($"cat /proc/{process}/status", pod);
            Assert.Contains("NoNewPrivs:\t1", status, StringComparison.Ordinal);
            Assert.Contains("CapBnd:\t0000000000000000", status, StringComparison.Ordinal);
            Assert.Contains("CapPrm:\t0000000000000000", status, StringComparison.Ordinal);
        }

        Assert.Contains("Read-only file system", await node.ShAsync("echo x >/tmp/x", pod), StringComparison.Ordinal);
        // Debian's ping has a file capability, which a container without NET_RAW may not even execute.
        Assert.Equal("", await node.ShAsync("perl -MSocket -e 'socket(my $s, PF_INET, SOCK_DGRAM, 1) or print $!'", pod));
        Assert.Equal("net.ipv4.ip_unprivileged_port_start = 0\n", await node.ShAsync("/usr/sbin/sysctl net.ipv4.ip_unprivileged_port_start", pod));
    }

    [Fact]
    public async Task A_pod_does_not_see_the_machines_users_files_or_processes()
    {
        Assert.Equal("", await node.ShAsync("ls -A /root /home /opt /tmp /srv | grep -v : | tr -d '\\n'"));
        Assert.Contains("No such file", await node.ShAsync("ls /work"), StringComparison.Ordinal);
        Assert.Equal("1\n", await node.ShAsync("ls /proc | grep '^[0-9]' | sort -n | head -n 1"));
        Assert.True(int.Parse(await node.ShAsync("ls /proc | grep -c '^[0-9]'"), System.Globalization.CultureInfo.InvariantCulture) < 8);
        Assert.Equal("", await node.ShAsync("cut -d ' ' -f 2 /proc/mounts | grep practice"));
    }

    [Fact]
    public async Task What_crashes_is_restarted_with_growing_pauses()
    {
        PodKey pod = node.Start("default", "crashing", """
            { "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "echo run $HOSTNAME; echo why >/dev/termination-log; exit 3"] } ] }
            """);
        PodReport report = await node.Cluster.WaitAsync(pod, r => r.Containers[0] is { RestartCount: >= 2, State.Reason: "CrashLoopBackOff" });
        Assert.Equal("Running", report.Phase);
        Assert.Equal((3, "Error", "why\n"), (report.Containers[0].LastState!.ExitCode, report.Containers[0].LastState!.Reason!, report.Containers[0].LastState!.Message!));
        Assert.False(report.Containers[0].Ready);

        // While a run stands there as ended, the one before it has no log any more; the next run brings this one's.
        string log = "";
        await NodeFixture.EventuallyAsync(async () =>
        {
            log = await LogAsync(pod, new LogOptions(Previous: true));
            return !log.StartsWith(NoLog, StringComparison.Ordinal);
        });
        Assert.Equal("run crashing\n", log);
        Assert.Contains(node.Cluster.Events, e => e.Pod == pod && e.Reason == "BackOff");
    }

    [Fact]
    public async Task Only_the_last_ended_run_has_a_log()
    {
        PodKey pod = node.Start("default", "twice", """
            { "restartPolicy": "OnFailure", "volumes": [ { "name": "s", "emptyDir": {} } ],
              "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "echo run; [ -e /shared/file ] && exit 0; echo >/shared/file; exit 3"], "volumeMounts": [ { "name": "s", "mountPath": "/shared" } ] } ] }
            """);
        await node.Cluster.WaitAsync(pod, report => report.Phase == "Succeeded");
        Assert.Equal("run\n", await LogAsync(pod, new LogOptions()));
        Assert.StartsWith(NoLog, await LogAsync(pod, new LogOptions(Previous: true)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_runs_its_init_containers_first_and_then_succeeds_or_fails()
    {
        const string init = """{ "name": "first", "image": "busybox", "command": ["sh", "-c", "echo made >/shared/file"], "volumeMounts": [ { "name": "s", "mountPath": "/shared" } ] }""";
        string Spec(string command) => $$"""
            { "restartPolicy": "Never", "initContainers": [ {{init}} ], "volumes": [ { "name": "s", "emptyDir": {} } ],
              "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "{{command}}"], "volumeMounts": [ { "name": "s", "mountPath": "/shared" } ] } ] }
            """;
        PodKey good = node.Start("default", "good", Spec("cat /shared/file"));
        await node.Cluster.WaitAsync(good, report => report.Phase == "Succeeded");
        Assert.Equal("made\n", await LogAsync(good, new LogOptions()));
        PodKey exits = node.Start("default", "exits", Spec("exit 7"));
        Assert.Equal(7, (await node.Cluster.WaitAsync(exits, report => report.Phase == "Failed")).Containers[0].State.ExitCode);
    }

    [Fact]
    public async Task What_cannot_be_started_says_why()
    {
        PodKey image = node.Start("default", "no-image", """{ "containers": [ { "name": "c", "image": "nobody/nothing:1" } ] }""");
        PodKey program = node.Start("default", "no-program", """{ "containers": [ { "name": "c", "image": "busybox", "command": ["nothing-here"] } ] }""");
        PodKey config = node.Start("default", "no-config", """{ "containers": [ { "name": "c", "image": "busybox", "env": [ { "name": "X", "valueFrom": { "secretKeyRef": { "name": "gone", "key": "k" } } } ] } ] }""");
        PodKey root = node.Start("default", "no-root", """{ "securityContext": { "runAsNonRoot": true }, "containers": [ { "name": "c", "image": "nginx" } ] }""");
        PodReport report = await node.Cluster.WaitAsync(image, r => r.Containers[0].State.Reason == "ImagePullBackOff");
        Assert.Equal("Pending", report.Phase);
        report = await node.Cluster.WaitAsync(program, r => r.Containers[0].State.Reason == "StartError" || r.Containers[0].LastState?.Reason == "StartError");
        Assert.Contains("exec: \"nothing-here\": executable file not found in $PATH", (report.Containers[0].LastState ?? report.Containers[0].State).Message, StringComparison.Ordinal);
        report = await node.Cluster.WaitAsync(config, r => r.Containers[0].State.Reason == "CreateContainerConfigError");
        Assert.Equal("secret \"gone\" not found", report.Containers[0].State.Message);
        report = await node.Cluster.WaitAsync(root, r => r.Containers[0].State.Reason == "CreateContainerConfigError");
        Assert.Equal("container has runAsNonRoot and image will run as root", report.Containers[0].State.Message);
    }

    [Fact]
    public async Task Probes_decide_over_readiness_and_restarts()
    {
        PodKey pod = node.Start("default", "probed", """
            { "terminationGracePeriodSeconds": 0, "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "touch /alive; exec sleep 1000"],
              "startupProbe": { "exec": { "command": ["test", "-e", "/alive"] }, "periodSeconds": 1, "timeoutSeconds": 30 },
              "readinessProbe": { "exec": { "command": ["test", "-e", "/ready"] }, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 1 },
              "livenessProbe": { "exec": { "command": ["test", "-e", "/alive"] }, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 1 } } ] }
            """);
        await node.Cluster.WaitAsync(pod, report => report.Containers[0] is { Started: true, Ready: false });
        await node.ShAsync("touch /ready", pod);
        await node.Cluster.WaitAsync(pod, report => report.Containers[0].Ready);
        await node.ShAsync("rm /ready", pod);
        await node.Cluster.WaitAsync(pod, report => !report.Containers[0].Ready);
        await node.ShAsync("rm /alive", pod);
        PodReport restarted = await node.Cluster.WaitAsync(pod, report => report.Containers[0] is { RestartCount: 1, Started: true });
        Assert.Equal(137, restarted.Containers[0].LastState!.ExitCode);
    }

    [Fact]
    public async Task Stopping_gives_the_program_its_grace_and_then_leaves_nothing()
    {
        PodKey polite = node.Start("default", "polite", """
            { "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "trap 'exit 0' TERM; echo ready; sleep 1000 & wait"] } ] }
            """);
        PodKey deaf = node.Start("default", "deaf", """
            { "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "trap '' TERM; echo ready; sleep 1000 & sleep 1000"] } ] }
            """);
        PodReport report = await node.RunningAsync(polite);
        await node.RunningAsync(deaf);
        foreach (PodKey pod in (PodKey[])[polite, deaf])
            await NodeFixture.EventuallyAsync(async () => await LogAsync(pod, new LogOptions()) == "ready\n"); // it has set its trap
        DateTime before = DateTime.UtcNow;
        await node.Node.StopPodAsync(polite, TimeSpan.FromSeconds(60));
        Assert.Equal(0, node.Cluster.Report(polite)!.Containers[0].State.ExitCode);
        await node.Node.StopPodAsync(deaf, TimeSpan.FromSeconds(1));
        Assert.Equal(137, node.Cluster.Report(deaf)!.Containers[0].State.ExitCode);
        Assert.True(DateTime.UtcNow - before < TimeSpan.FromSeconds(30));
        Assert.Contains("nothing", await node.ShAsync($"ping -c 1 -W 1 {report.PodAddresses[0]} || echo nothing"), StringComparison.Ordinal);
        await Assert.ThrowsAsync<NodeException>(() => node.Node.DialPodAsync(polite, 80, CancellationToken.None));
        await node.Node.StopPodAsync(polite, TimeSpan.Zero);
    }

    [Fact]
    public async Task Exec_passes_input_output_exit_code_and_a_terminal()
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        using var input = new MemoryStream(Encoding.ASCII.GetBytes("from here"));
        int code = await node.Node.ExecAsync(node.Shell, "shell", ["sh", "-c", "cat; echo to stderr >&2; exit 5"],
            new ProcessStreams(input, output, error, false, null), CancellationToken.None);
        Assert.Equal((5, "from here", "to stderr\n"), (code, Encoding.ASCII.GetString(output.ToArray()), Encoding.ASCII.GetString(error.ToArray())));

        var sizes = System.Threading.Channels.Channel.CreateUnbounded<TerminalSize>();
        sizes.Writer.TryWrite(new TerminalSize(132, 43));
        using var screen = new MemoryStream();
        code = await node.Node.ExecAsync(node.Shell, "shell", ["sh", "-c", "until [ \"$(stty size)\" = '43 132' ]; do sleep 0.05; done; test -t 0 && test -t 1 && stty size"],
            new ProcessStreams(null, screen, null, true, sizes.Reader), CancellationToken.None);
        Assert.Equal((0, "43 132\r\n"), (code, Encoding.ASCII.GetString(screen.ToArray())));

        NodeException refused = await Assert.ThrowsAsync<NodeException>(() => node.Node.ExecAsync(node.Shell, "shell", ["no-such-thing"],
            new ProcessStreams(null, null, null, false, null), CancellationToken.None));
        Assert.Contains("exec: \"no-such-thing\": executable file not found in $PATH", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logs_are_followed_to_the_end()
    {
        PodKey pod = node.Start("default", "talking", """
            { "restartPolicy": "Never", "containers": [ { "name": "c", "image": "busybox", "command": ["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done; printf end"] } ] }
            """);
        await node.Cluster.WaitAsync(pod, report => report.Containers[0].State.Phase != ContainerPhase.Waiting);
        Assert.Equal("line 1\nline 2\nline 3\nend", await LogAsync(pod, new LogOptions(Follow: true)));
        Assert.Equal("line 3\nend", await LogAsync(pod, new LogOptions(TailLines: 2)));
        Assert.Equal("line", await LogAsync(pod, new LogOptions(LimitBytes: 4)));
        Assert.Matches("^20..-..-..T..:..:..\\.[0-9]{9}Z line 1\n", await LogAsync(pod, new LogOptions(Timestamps: true)));
    }

    private async Task<string> LogAsync(PodKey pod, LogOptions options)
    {
        using var output = new MemoryStream();
        await node.Node.StreamLogsAsync(pod, "c", options, output, CancellationToken.None);
        return Encoding.UTF8.GetString(output.ToArray());
    }
}
