# Becomes a container's program: the last step of starting one, and all of `exec` into one.
#
# Reads NUL-terminated "key=value" records from the file in its argument, removes that file, enters the mount namespace
# (mnt=PATH) or the root directory (root=PATH) that is named there, drops what the program shall not have and executes it.
# Perl because it is in every Debian and does all this as system calls of one process that needs no file of the new root.
# The first line on standard output is "started PID" or "failed MESSAGE"; after it the output is the program's.
use strict;
use warnings;

my %call = (x86_64 => { prctl => 157, setns => 308 }, aarch64 => { prctl => 167, setns => 268 });
my $machine = `uname -m`;
chomp $machine;
my $number = $call{$machine} or fail("unsupported machine $machine");
use constant { PR_CAPBSET_DROP => 24, PR_SET_NO_NEW_PRIVS => 38 };

my (%one, @env, @arg, @group, @drop);
my %many = (env => \@env, arg => \@arg, group => \@group, drop => \@drop);
{
    open(my $in, '<', $ARGV[0]) or fail("cannot read the plan: $!");
    unlink $ARGV[0];
    local $/ = "\0";
    while (my $record = <$in>) {
        chomp $record;
        my ($key, $value) = split(/=/, $record, 2);
        if ($many{$key}) { push @{ $many{$key} }, $value } else { $one{$key} = $value }
    }
}

open(my $stat, '<', '/proc/self/stat') or fail("cannot read /proc: $!");
my ($pid) = split(/ /, <$stat>);

if (defined $one{mnt}) {
    open(my $namespace, '<', $one{mnt}) or fail("container is not running");
    syscall($number->{setns}, fileno($namespace), 0) == 0 or fail("cannot enter the mount namespace: $!");
}
else {
    chroot($one{root}) or fail("cannot change the root: $!");
}
chdir($one{cwd}) or fail("chdir to cwd (\"$one{cwd}\") set in config.json failed: " . lc($!));

%ENV = map { split(/=/, $_, 2) } @env;
for my $capability (@drop) {
    syscall($number->{prctl}, PR_CAPBSET_DROP, $capability + 0, 0, 0, 0);
}
$) = join(' ', $one{gid}, @group ? @group : $one{gid});
$( = $one{gid};
fail("cannot set the groups: $!") if (split(/ /, $())[0] != $one{gid};
($<, $>) = ($one{uid}, $one{uid});
fail("cannot set the user: $!") if $< != $one{uid} || $> != $one{uid};
if ($one{nnp}) {
    syscall($number->{prctl}, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 or fail("cannot set no_new_privs: $!");
}

my $program = find($arg[0]);
$| = 1;
print "started $pid\n";
exec { $program } @arg or do {
    print STDERR "exec $program: " . lc($!) . "\n";
    exit 128;
};

sub find {
    my ($name) = @_;
    if ($name =~ m{/}) {
        fail("exec: \"$name\": stat $name: no such file or directory") if !-e $name;
        fail("exec: \"$name\": permission denied") if -d $name || !-x $name;
        return $name;
    }
    for my $directory (split(/:/, $ENV{PATH} // '')) {
        my $path = ($directory eq '' ? '.' : $directory) . "/$name";
        return $path if -f $path && -x $path;
    }
    fail("exec: \"$name\": executable file not found in \$PATH");
}

sub fail {
    print "failed $_[0]\n";
    exit 125;
}
