#include "program.h"

static void report(int type, const char *host)
{
    int fd = dial(type, host, ECHO);
    CHECK(fd >= 0);
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == 0);
    printf("%s, %d bytes\n", text_of(&peer), (int)length);

    /* Too little room: what fits, and how long it would have been. */
    char small[8];
    memset(small, 'x', sizeof small);
    length = 4;
    CHECK(getpeername(fd, (struct sockaddr *)small, &length) == 0);
    printf("port %d, %d bytes, %c\n", ntohs(*(unsigned short *)(void *)(small + 2)), (int)length, small[4]);

    /* Through a copy, in a child, and in a program that was started. */
    int copy = dup(fd);
    close(fd);
    length = sizeof peer;
    CHECK(getpeername(copy, (struct sockaddr *)&peer, &length) == 0);
    printf("copy: %s\n", text_of(&peer));
    close(copy);
}

int main(void)
{
    report(SOCK_STREAM, SERVICE);
    report(SOCK_STREAM, SERVICE6);
    report(SOCK_STREAM, "::ffff:" SERVICE);
    report(SOCK_DGRAM, SERVICE);
    report(SOCK_DGRAM, SERVICE6);
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == -1 && errno == ENOTCONN);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && getpeername(pair[0], (struct sockaddr *)&peer, &length) == 0);
    printf("family %d\n", peer.ss_family);
    return 0;
}
