namespace Telepresence.EndToEnd.Tree.Matrix;

/// <summary>A line of the matrix.</summary>
/// <param name="Name">As the table names it.</param>
/// <param name="Does">What it does, for the table.</param>
/// <param name="Script">Runs it inside a session; $P is the directory of the programs that the test builds.</param>
/// <param name="Expected">What it prints when it reaches the cluster.</param>
/// <param name="Present">Succeeds on a machine that has it; null for what every machine has that runs the tests.</param>
internal sealed record RealProgram(string Name, string Does, string Script, string Expected, string? Present = null)
{
    private const string Http = "HTTP by a Service's name";

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<RealProgram> All { get; } =
    [
        new("curl", Http, "curl -sS --max-time 20 http://files.other/", "practice"),
        new("wget", Http, "wget -qO- -T 20 http://files.other/", "practice"),
        new("python3", Http, "/usr/bin/python3 -c 'import urllib.request as r; print(r.urlopen(\"http://files.other/\", timeout=20).read().decode(), end=\"\")'", "practice"),
        new("node", Http, "node -e 'fetch(\"http://files.other/\").then(r => r.text()).then(t => process.stdout.write(t))'", "practice", "node -e 'fetch'"),
        new("java", Http, "java $P/Fetch.java files.other", "practice", "java --list-modules | grep -q jdk.compiler"),
        new("dotnet", Http, "dotnet $P/EndToEnd.dll files.other", "practice"),
        new("git", "fetches from a Service", "timeout 20 git ls-remote git://git.tree/repository HEAD | cut -f2", "HEAD"),
        new("redis-cli", "talks to a database that only the cluster reaches", "redis-cli -h db.cloud.example.com ping", "PONG"),
        new("psql", "talks to a Service", "psql 'host=files.other port=7 sslmode=disable connect_timeout=20 user=x dbname=x' 2>&1", "expected authentication request"),
        new("openssl s_client", "TLS to a Service", "timeout 20 openssl s_client -connect kubernetes.default.svc:443 </dev/null 2>&1", "BEGIN CERTIFICATE"),
        new("bash /dev/tcp", Http, "exec 3<>/dev/tcp/files.other/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; timeout 20 cat <&3", "practice"),
        new("socat, UDP", "a datagram to a Service, and back", "echo a datagram | timeout 20 socat -t 2 - UDP4:files.other:7", "a datagram"),
        new("dig", "SRV records, its own resolver", "dig +short SRV _http._tcp.files.other.svc.cluster.local", "files.other.svc.cluster.local."),
        new("nslookup", "its own resolver", "nslookup files.other.svc.cluster.local", "Name:\tfiles.other.svc.cluster.local"),
        new("ping", "ICMP to a pod", "ping -c 1 -W 10 $(getent ahostsv4 pods.other | head -n 1 | cut -d' ' -f1)", " 0% packet loss"),
        new("Go, static", "HTTP by a Service's name, its own resolver", "$P/fetch-go files.other", "practice"),
        new("Go, with cgo", Http, "$P/fetch-go-cgo files.other", "practice"),
        new("C, musl", Http, "$P/fetch-musl files.other", "practice"),
        new("C, static", Http, "$P/fetch-static files.other", "practice"),
        new("C, setuid", Http, "$P/fetch-setuid files.other", "practice"),
        new("busybox-static wget", Http, "timeout 20 busybox wget -qO- http://files.other/", "practice"),
    ];
}
