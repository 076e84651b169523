/* What the programs share. Each does one thing with one call and prints what it saw; it is run inside the cluster's network without the
 * shim and outside of it with the shim, and both must print the same. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE "10.99.0.1"
#define SERVICE6 "fd99::1"
#define ECHO 7
#define CLOSED 9
#define UNREACHABLE "10.98.0.1"

#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            printf("%s:%d: %s: errno %d\n", __FILE__, __LINE__, #condition, errno);                   \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)

static inline struct sockaddr_storage address_of(const char *host, int port, socklen_t *length)
{
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof storage);
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((unsigned short)port);
        *length = sizeof *in;
    } else {
        CHECK(inet_pton(AF_INET6, host, &in6->sin6_addr) == 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((unsigned short)port);
        *length = sizeof *in6;
    }
    return storage;
}

static inline const char *text_of(const void *address)
{
    static char text[80], host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *in = address;
    const struct sockaddr_in6 *in6 = address;
    bool ipv4 = in->sin_family == AF_INET;
    inet_ntop(in->sin_family, ipv4 ? (const void *)&in->sin_addr : (const void *)&in6->sin6_addr, host, sizeof host);
    snprintf(text, sizeof text, "%s port %d", host, ntohs(ipv4 ? in->sin_port : in6->sin6_port));
    return text;
}

static inline int dial(int type, const char *host, int port)
{
    socklen_t length;
    struct sockaddr_storage to = address_of(host, port, &length);
    int fd = socket(to.ss_family, type, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, length) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Reads the greeting, sends a line and reads it back. */
static inline void talk(int fd)
{
    char buffer[64];
    size_t have = 0;
    static const char line[] = "ping\n", wanted[] = "hello\nping\n";
    CHECK(send(fd, line, sizeof line - 1, MSG_NOSIGNAL) == (ssize_t)sizeof line - 1);
    while (have < sizeof wanted - 1) {
        ssize_t got = recv(fd, buffer + have, sizeof buffer - 1 - have, 0);
        CHECK(got > 0);
        have += (size_t)got;
    }
    buffer[have] = '\0';
    CHECK(strcmp(buffer, wanted) == 0);
}

static inline const char *error_name(int error)
{
    return error == 0 ? "success" : error == ECONNREFUSED ? "ECONNREFUSED" : error == EHOSTUNREACH ? "EHOSTUNREACH"
        : error == ENETUNREACH ? "ENETUNREACH" : error == EINPROGRESS ? "EINPROGRESS" : error == EISCONN ? "EISCONN" : strerror(error);
}
