#include "program.h"

static void report(const char *what, const char *host, int port)
{
    int fd = dial(SOCK_STREAM, host, port);
    printf("%s: %s\n", what, fd < 0 ? error_name(errno) : "connected");
    if (fd < 0)
        return;
    talk(fd);
    socklen_t length;
    struct sockaddr_storage again = address_of(host, port, &length);
    CHECK(connect(fd, (struct sockaddr *)&again, length) == -1);
    printf("%s: again: %s\n", what, error_name(errno));
    CHECK(shutdown(fd, SHUT_WR) == 0);
    char byte;
    CHECK(recv(fd, &byte, 1, 0) == 0);
    close(fd);
}

int main(void)
{
    report("open", SERVICE, ECHO);
    report("open, IPv6", SERVICE6, ECHO);
    report("open, mapped", "::ffff:" SERVICE, ECHO);
    report("closed", SERVICE, CLOSED);
    report("closed, IPv6", SERVICE6, CLOSED);
    report("no route", UNREACHABLE, ECHO);
    report("loopback, closed", "127.0.0.1", CLOSED);

    /* A socket that was told to be IPv6 only. */
    socklen_t length;
    struct sockaddr_storage to = address_of(SERVICE6, ECHO, &length);
    int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;
    CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == 0);
    talk(fd);

    /* One that failed can be used again, and one that was bound. */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    to = address_of(SERVICE, CLOSED, &length);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == -1 && errno == ECONNREFUSED);
    to = address_of(SERVICE, ECHO, &length);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == 0);
    talk(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = { .sin_family = AF_INET };
    CHECK(bind(fd, (struct sockaddr *)&any, sizeof any) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == 0);
    talk(fd);

    /* Opened by its first bytes. */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(sendto(fd, "ping\n", 5, MSG_FASTOPEN, (struct sockaddr *)&to, length) == 5);
    char answer[11];
    CHECK(recv(fd, answer, sizeof answer, MSG_WAITALL) == 11 && memcmp(answer, "hello\nping\n", 11) == 0);
    close(fd);

    /* What is no address, and no socket. */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, 3) == -1);
    CHECK(connect(-1, (struct sockaddr *)&to, length) == -1 && errno == EBADF);
    CHECK(connect(0, (struct sockaddr *)&to, length) == -1 && errno == ENOTSOCK);
    puts("done");
    return 0;
}
