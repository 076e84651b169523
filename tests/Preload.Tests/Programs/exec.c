/* Each way to start a program, with the environment as it is and with an empty one. The program that is started dials. */
#include "program.h"
#include <spawn.h>

static const char *self;

static void child(int how)
{
    char *argv[] = { "exec", "dial", NULL }, *empty[] = { NULL };
    extern char **environ;
    int fd;
    switch (how) {
    case 0: execv(self, argv); break;
    case 1: execve(self, argv, environ); break;
    case 2: execve(self, argv, empty); break;
    case 3: execvp(self, argv); break;
    case 4: execvpe(self, argv, empty); break;
    case 5: execl(self, "exec", "dial", (char *)NULL); break;
    case 6: execlp(self, "exec", "dial", (char *)NULL); break;
    case 7: execle(self, "exec", "dial", (char *)NULL, empty); break;
    case 8:
        fd = open(self, O_RDONLY | O_CLOEXEC);
        fexecve(fd, argv, empty);
        break;
    case 9: clearenv(); execv(self, argv); break;
    }
    _exit(99);
}

static void wait_for(const char *what, int how, pid_t pid)
{
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    printf("%s %d: %d\n", what, how, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    fflush(stdout);
}

int main(int argc, char **unused)
{
    (void)unused;
    if (argc > 1) {
        int fd = dial(SOCK_STREAM, SERVICE, ECHO);
        if (fd < 0)
            return 1;
        talk(fd);
        return 42;
    }
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = '\0';
    self = path;
    for (int how = 0; how <= 9; how++) {
        pid_t pid = fork();
        if (pid == 0)
            child(how);
        wait_for("fork", how, pid);
    }
    for (int how = 0; how <= 8; how++) {
        pid_t pid = vfork();
        if (pid == 0)
            child(how);
        wait_for("vfork", how, pid);
    }
    char *arguments[] = { "exec", "dial", NULL }, *empty[] = { NULL };
    extern char **environ;
    pid_t pid;
    CHECK(posix_spawn(&pid, self, NULL, NULL, arguments, empty) == 0);
    wait_for("spawn", 0, pid);
    CHECK(posix_spawnp(&pid, self, NULL, NULL, arguments, environ) == 0);
    wait_for("spawn", 1, pid);
    CHECK(posix_spawnp(&pid, self, NULL, NULL, arguments, empty) == 0);
    wait_for("spawn", 2, pid);

    /* Threads that dial in a child of vfork() must not disturb the parent. */
    pid = vfork();
    if (pid == 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        socklen_t to_length;
        struct sockaddr_storage to = address_of(SERVICE, ECHO, &to_length);
        _exit(connect(fd, (struct sockaddr *)&to, to_length) == 0 ? 7 : 8);
    }
    wait_for("vfork and dial", 0, pid);
    return 0;
}
