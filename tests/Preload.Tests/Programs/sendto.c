/* sendto() and recvfrom(), unconnected and connected. */
#include "program.h"

static void exchange(int fd, const char *host, const char *what)
{
    socklen_t length;
    struct sockaddr_storage to = address_of(host, ECHO, &length), from;
    char buffer[64];
    CHECK(sendto(fd, what, strlen(what), 0, (struct sockaddr *)&to, length) == (ssize_t)strlen(what));
    socklen_t from_length = sizeof from;
    /* A length that the compiler does not know is checked at run time in glibc. */
    volatile size_t room = sizeof buffer;
    ssize_t got = recvfrom(fd, buffer, room, 0, (struct sockaddr *)&from, &from_length);
    CHECK(got > 0);
    printf("%.*s from %s, %d bytes\n", (int)got, buffer, text_of(&from), (int)from_length);
}

int main(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval limit = { .tv_sec = 10 };
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    exchange(fd, SERVICE, "one");
    exchange(fd, SERVICE, "two");
    exchange(fd, "10.99.0.2", "another host");
    exchange(fd, SERVICE, "three");
    close(fd);

    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    exchange(fd, SERVICE6, "IPv6");
    exchange(fd, "::ffff:" SERVICE, "mapped");
    close(fd);

    int on = 1;
    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    exchange(fd, SERVICE6, "IPv6 only");
    close(fd);

    fd = dial(SOCK_DGRAM, SERVICE, ECHO);
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(send(fd, "connected", 9, 0) == 9);
    char buffer[64];
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
    CHECK(got > 0);
    printf("%.*s from %s\n", (int)got, buffer, text_of(&from));

    /* Sent and gone: the datagram arrives although its socket does not exist any more. */
    socklen_t to_length;
    struct sockaddr_storage to = address_of(SERVICE, 11, &to_length);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(sendto(fd, "left behind", 11, 0, (struct sockaddr *)&to, to_length) == 11);
    close(fd);
    fd = dial(SOCK_STREAM, SERVICE, 11);
    CHECK(fd >= 0);
    got = recv(fd, buffer, sizeof buffer, MSG_WAITALL);
    printf("the other side got: %.*s\n", (int)got, buffer);
    return 0;
}
