using System.Security.Cryptography;
using System.Text;

namespace Telepresence.PracticeCluster.Node;

/// <summary>
/// Well-known names whose programs Debian has as well: these images need no registry. What is started, with which files and
/// on which ports, is as in the image of that name.
/// </summary>
/// <remarks>
/// nginx, nginxinc/nginx-unprivileged (8080), redis, busybox, alpine (busybox's programs), debian, curlimages/curl;
/// practice/httpd (80, echo on 7), practice/echo (TCP and UDP 7), datawire/hello-world and others named hello-world (8000);
/// practice/dns and coredns (the cluster's name server); pause. The part of the name before the last slash does not matter
/// for most, and neither do tags, except that a tag "missing" is never found.
/// </remarks>
internal sealed class BuiltinImages(HostLayers layers, string dnsDirectory)
{
    internal Image? Find(string reference)
    {
        string repository = ImageReference.Repository(reference);
        string name = repository[(repository.LastIndexOf('/') + 1)..];
        if (reference.EndsWith(":missing", StringComparison.Ordinal))
            return null;
        return name switch
        {
            "nginx" => Nginx(reference, 80),
            "nginx-unprivileged" => Nginx(reference, 8080),
            "redis" => Debian(reference, ImageConfiguration.Of("redis-server", "--protected-mode", "no", "--bind", "*", "-::*", "--save", "")
                with
            { WorkingDirectory = "/data" }),
            "busybox" => Make(reference, [layers.Busybox()], [], ImageConfiguration.Of("sh")),
            "alpine" => Make(reference, [layers.Files("alpine", [("/etc/alpine-release", "3.20.0\n")]), layers.Busybox()], [], ImageConfiguration.Of("/bin/sh")),
            "debian" => Debian(reference, ImageConfiguration.Of("bash")),
            "curl" => Debian(reference, ImageConfiguration.Of() with { Entrypoint = ["curl"] }),
            "pause" => Make(reference, [layers.Busybox()], [], ImageConfiguration.Of("sleep", "2147483647")),
            "httpd" when repository == "practice/httpd" => Server(reference, "--http", "80", "--echo", "7"),
            "echo" when repository == "practice/echo" => Server(reference, "--echo", "7"),
            "hello-world" => Server(reference, "--http", "8000", "--text", "Hello, world!"),
            "coredns" => Dns(reference),
            "dns" when repository == "practice/dns" => Dns(reference),
            _ => null,
        };
    }

    private Image Debian(string reference, ImageConfiguration configuration) => Make(reference, layers.Debian(), [], configuration);

    private Image Nginx(string reference, int port)
    {
        string pid = port == 80 ? "/run/nginx.pid" : "/tmp/nginx.pid";
        string layer = layers.Files(port == 80 ? "nginx" : "nginx-unprivileged",
            [
                ("/etc/nginx/nginx.conf", $$"""
                    {{(port == 80 ? "user www-data;" : "")}}
                    worker_processes 1;
                    error_log /var/log/nginx/error.log notice;
                    pid {{pid}};
                    events { worker_connections 1024; }
                    http {
                      include /etc/nginx/mime.types;
                      default_type application/octet-stream;
                      access_log /var/log/nginx/access.log combined;
                      sendfile on;
                      keepalive_timeout 65;
                      client_body_temp_path /tmp/client_temp;
                      proxy_temp_path /tmp/proxy_temp;
                      fastcgi_temp_path /tmp/fastcgi_temp;
                      uwsgi_temp_path /tmp/uwsgi_temp;
                      scgi_temp_path /tmp/scgi_temp;
                      include /etc/nginx/conf.d/*.conf;
                    }

                    """),
                ("/etc/nginx/conf.d/default.conf", $$"""
                    server {
                      listen {{port}};
                      listen [::]:{{port}};
                      server_name localhost;
                      location / {
                        root /usr/share/nginx/html;
                        index index.html index.htm;
                      }
                    }

                    """),
                ("/usr/share/nginx/html/index.html", """
                    <!DOCTYPE html>
                    <html>
                    <head><title>Welcome to nginx!</title></head>
                    <body><h1>Welcome to nginx!</h1></body>
                    </html>

                    """),
            ],
            ("/var/log/nginx/access.log", "/dev/stdout"),
            ("/var/log/nginx/error.log", "/dev/stderr"));
        ImageConfiguration configuration = ImageConfiguration.Of("nginx", "-g", "daemon off;") with
        {
            StopSignal = "QUIT",
            User = port == 80 ? "" : "33",
        };
        return Make(reference, [layer, .. layers.Debian()], [], configuration);
    }

    private Image Server(string reference, params string[] arguments) => Make(
        reference,
        layers.Debian(),
        [
            new ImageBind(PracticeServer.Here.Dotnet, PracticeServer.DotnetMount),
            new ImageBind(PracticeServer.Here.Program, PracticeServer.ProgramMount),
        ],
        ImageConfiguration.Of(PracticeServer.Command(PracticeServer.InImage, arguments)) with
        {
            Environment = [$"PATH={ImageConfiguration.DefaultPath}", "DOTNET_TieredPGO=0", "DOTNET_gcConcurrent=0"],
        });

    private Image Dns(string reference) => Make(
        reference,
        layers.Debian(),
        [new ImageBind(dnsDirectory, ClusterDns.MountPoint, Writable: true)],
        ImageConfiguration.Of() with { Entrypoint = ["/bin/sh", "-c", ClusterDns.StartScript] });

    private static Image Make(string reference, IReadOnlyList<string> layerList, IReadOnlyList<ImageBind> binds, ImageConfiguration configuration)
    {
        string recipe = string.Join('\n', [reference, .. layerList, .. configuration.Environment, .. configuration.Entrypoint, .. configuration.Command]);
        string id = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(recipe)));
        return new Image(reference, id, layerList, binds, configuration);
    }
}
