/* Processes and descriptors: children that use what the parent opened, daemons that close everything. */
#include "program.h"

static int in_child(int (*run)(int), int argument)
{
    int status = -1;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(run(argument));
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int use(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    talk(fd);
    CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == 0);
    printf("child: %s\n", text_of(&peer));
    fflush(stdout);
    return 11;
}

static int dial_and_talk(int unused)
{
    (void)unused;
    int fd = dial(SOCK_STREAM, SERVICE, ECHO);
    CHECK(fd >= 0);
    talk(fd);
    return 12;
}

/* As daemons do it. */
static int close_everything(int unused)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    return dial_and_talk(unused);
}

static int datagrams(int fd)
{
    socklen_t length;
    struct sockaddr_storage to = address_of(SERVICE, ECHO, &length), from;
    char buffer[16];
    socklen_t from_length = sizeof from;
    CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, length) == 1);
    CHECK(recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &from_length) == 6);
    printf("datagram from %s\n", text_of(&from));
    fflush(stdout);
    return 13;
}

int main(void)
{
    int fd = dial(SOCK_STREAM, SERVICE, ECHO);
    CHECK(fd >= 0);
    printf("%d\n", in_child(use, fd));
    printf("%d\n", in_child(dial_and_talk, 0));
    printf("%d\n", in_child(close_everything, 0));
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval limit = { .tv_sec = 10 };
    CHECK(setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    printf("%d\n", datagrams(udp));
    printf("%d\n", in_child(datagrams, udp));

    /* A number that is used again for something else is something else. */
    int copy = fcntl(fd, F_DUPFD, 50), pair[2];
    CHECK(copy == 50);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(dup2(pair[0], copy) == copy);
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    CHECK(getpeername(copy, (struct sockaddr *)&peer, &length) == 0);
    printf("family %d\n", peer.ss_family);

    /* No descriptor is left over, and none was taken in between. */
    int lowest = dup(0);
    CHECK(lowest >= 0);
    close(lowest);
    for (int i = 0; i < 50; i++) {
        int one = dial(SOCK_STREAM, SERVICE, ECHO);
        CHECK(one == lowest);
        close(one);
    }
    puts("done");
    return 0;
}
