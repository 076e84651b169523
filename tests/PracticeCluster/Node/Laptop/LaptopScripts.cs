using System.Globalization;

namespace Telepresence.PracticeCluster.Node;

/// <summary>Shell that sets up a home: a router with servers behind it, and a laptop.</summary>
/// <remarks>
/// <code>
/// laptop (eth0 192.168.1.50) ── lan 192.168.1.1 home router wan 203.0.113.20+n ── homeN node 203.0.113.10:6443
///                                   192.168.1.20 printer      203.0.113.99 "the Internet"
/// </code>
/// The router translates addresses like any home router does. There is no way from it to pods or Services.
/// </remarks>
internal static class LaptopScripts
{
    internal const string Web = "203.0.113.99";
    private const string Router4 = "192.168.1.1";
    private const string Router6 = "fd00:192:168:1::1";
    private const string Laptop4 = "192.168.1.50";
    private const string Laptop6 = "fd00:192:168:1::50";
    private const string Printer4 = "192.168.1.20";

    /// <summary>The ordinary user of each laptop: may type sudo, has a home, a runtime directory and no privileges.</summary>
    internal const string User = "jane";
    internal const int Uid = 4711;

    /// <param name="directory">The laptop's own, on the host.</param>
    /// <param name="slot">Tells the laptops of one cluster apart.</param>
    internal static string Router(string directory, NodeRecord node, int slot) => string.Create(CultureInfo.InvariantCulture, $"""
        {Record(directory, "router")}
        mount -t tmpfs -o mode=755 practice {Commands.Quote(directory + "/files")}
        cd {Commands.Quote(directory + "/files")}
        echo router >/proc/sys/kernel/hostname
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        {NoDuplicateAddressDetection}
        # A former laptop's link goes with its namespace, but some time after it.
        nsenter --net=/proc/{node.Pid}/ns/net -- ip link del home{slot} 2>/dev/null || :
        nsenter --net=/proc/{node.Pid}/ns/net -- ip -batch - <<END
        link add home{slot} type veth peer name wan netns /proc/$pid/ns/net
        addr add {NodeAddresses.PublicApi6}/128 dev home{slot} nodad
        link set home{slot} up
        route add 203.0.113.{20 + slot}/32 dev home{slot}
        route add 2001:db8:203::{20 + slot}/128 dev home{slot}
        END
        ip -batch - <<END
        link set lo up
        addr add {Web}/32 dev lo
        addr add 203.0.113.{20 + slot}/32 dev wan
        addr add 2001:db8:203::{20 + slot}/128 dev wan nodad
        link set wan up
        route add {NodeAddresses.PublicApi4}/32 dev wan
        route add {NodeAddresses.PublicApi6}/128 dev wan
        route add unreachable 0.0.0.0/0
        route add unreachable ::/0
        END
        nft -f - <<END
        table inet home {"{"}
          chain postrouting {"{"} type nat hook postrouting priority srcnat; oifname "wan" masquerade; {"}"}
        {"}"}
        END
        cat >unbound.conf <<'END'
        {Names()}
        END
        mkdir web
        echo 'a page at home' >web/index.html
        unbound -d -c unbound.conf >unbound.log 2>&1 </dev/null &
        busybox httpd -f -p 80 -h web </dev/null >/dev/null 2>&1 &
        cd /
        """);

    /// <param name="kept">Directories below /tmp that the laptop sees too; else its /tmp is its own.</param>
    internal static string Laptop(string directory, int routerPid, IEnumerable<string> kept) => string.Create(CultureInfo.InvariantCulture, $"""
        {Record(directory, "laptop")}
        echo laptop >/proc/sys/kernel/hostname
        {NoDuplicateAddressDetection}
        nsenter --net=/proc/{routerPid}/ns/net -- ip -batch - <<END
        link add lan type veth peer name eth0 netns /proc/$pid/ns/net
        addr add {Router4}/24 dev lan
        addr add {Printer4}/24 dev lan
        addr add {Router6}/64 dev lan nodad
        link set lan up
        END
        ip -batch - <<END
        link set lo up
        addr add {Laptop4}/24 dev eth0
        addr add {Laptop6}/64 dev eth0 nodad
        link set eth0 up
        route add default via {Router4}
        route add default via {Router6}
        END
        cd {Commands.Quote(directory + "/files")}
        mount -t tmpfs -o mode=755 practice .
        cd {Commands.Quote(directory + "/files")}
        mkdir etc etc.work lib lib.work home
        printf 'nameserver %s\nsearch home.example\n' {Router4} >etc/resolv.conf
        printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tlaptop\n' >etc/hosts
        echo laptop >etc/hostname
        mount -t overlay overlay -o lowerdir=/etc,upperdir=etc,workdir=etc.work /etc
        mount -t overlay overlay -o lowerdir=/var/lib,upperdir=lib,workdir=lib.work /var/lib
        # What a program under test left on this machine is none of the laptop's business.
        mkdir -p /var/lib/telepresence
        mount -t tmpfs -o mode=755 tmpfs /var/lib/telepresence
        cd /
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p /run/telepresence /run/lock /run/user/{Uid}
        {Devices(directory)}
        {Homes(directory)}
        {Temporary(directory, kept)}
        chown {Uid}:{Uid} /run/user/{Uid}
        chmod 700 /run/user/{Uid}
        mount -t sysfs sysfs /sys
        mount -t proc proc /proc
        """);

    // As udev and systemd leave them on a Debian: anybody may use /dev/net/tun, /dev/fuse and terminals.
    private static string Devices(string directory) => $"""
        cd {Commands.Quote(directory + "/files")}
        mkdir -p dev/net dev/pts dev/shm dev/mqueue
        chmod 1777 dev/shm
        while read -r name major minor; do
          mknod -m 666 dev/$name c $major $minor
        done <<END
        null 1 3
        zero 1 5
        full 1 7
        random 1 8
        urandom 1 9
        tty 5 0
        net/tun 10 200
        fuse 10 229
        END
        ln -s /proc/self/fd dev/fd
        ln -s /proc/self/fd/0 dev/stdin
        ln -s /proc/self/fd/1 dev/stdout
        ln -s /proc/self/fd/2 dev/stderr
        ln -s pts/ptmx dev/ptmx
        mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
        mount --rbind dev /dev
        """;

    // What is at home on this machine stays visible: the program under test may be there.
    private static string Homes(string directory) => $"""
        cd {Commands.Quote(directory + "/files")}
        mkdir -p home/{User}
        for each in /home/*; do
          [ -d "$each" ] && [ "$each" != /home/{User} ] || continue
          mkdir "home/${"{"}each##*/{"}"}"
          mount --rbind "$each" "home/${"{"}each##*/{"}"}"
        done
        for each in .profile .bashrc; do
          [ ! -e /etc/skel/$each ] || cp /etc/skel/$each home/{User}
        done
        chown -R {Uid}:{Uid} home/{User}
        mount --rbind home /home
        echo '{User}:x:{Uid}:{Uid}:Jane Doe:/home/{User}:/bin/bash' >>/etc/passwd
        echo '{User}:x:{Uid}:' >>/etc/group
        echo '{User}:*:20000:0:99999:7:::' >>/etc/shadow
        [ ! -d /etc/sudoers.d ] || (umask 337; echo '{User} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{User})
        """;

    private static string Temporary(string directory, IEnumerable<string> kept) => $"""
        cd {Commands.Quote(directory + "/files")}
        mkdir -m 1777 tmp
        for each in {string.Join(' ', kept.Select(Commands.Quote))}; do
          mkdir -p "./$each"
          mount --rbind "$each" "./$each"
        done
        mount --rbind tmp /tmp
        cd /
        """;

    private static string NoDuplicateAddressDetection => """
        echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
        echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
        """;

    // Before anything else is made: how `down` finds this process again, and knows that it still is the same one.
    private static string Record(string directory, string name) =>
        $"read -r line </proc/self/stat && echo \"$line\" >{Commands.Quote($"{directory}/{name}")}";

    private static string Names() => $"""
        server:
          interface: {Router4}@53
          interface: {Router6}@53
          ip-freebind: yes
          access-control: 0.0.0.0/0 allow
          access-control: ::/0 allow
          do-daemonize: no
          chroot: ""
          username: ""
          pidfile: ""
          use-syslog: no
          module-config: "iterator"
          num-threads: 1
          local-zone: "." static
          local-data: '. 60 IN SOA router.home.example. hostmaster.home.example. 1 7200 1800 86400 5'
          local-data: 'router.home.example. 60 IN A {Router4}'
          local-data: 'router.home.example. 60 IN AAAA {Router6}'
          local-data: 'printer.home.example. 60 IN A {Printer4}'
          local-data: 'www.internet.example. 60 IN A {Web}'
          local-data: 'split.example.com. 60 IN A {Web}'
          local-data: 'cluster.practice.example. 60 IN A {NodeAddresses.PublicApi4}'
          local-data: 'cluster.practice.example. 60 IN AAAA {NodeAddresses.PublicApi6}'
        """;
}
