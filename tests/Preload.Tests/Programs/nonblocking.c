/* Non-blocking connect() with epoll, many at once; select-style second connect(). */
#include "program.h"

#define MANY 20

static int begin(const char *host, int port)
{
    socklen_t length;
    struct sockaddr_storage to = address_of(host, port, &length);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, length) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

static int outcome(int fd)
{
    struct pollfd wanted = { .fd = fd, .events = POLLOUT };
    int error = 0;
    socklen_t length = sizeof error;
    CHECK(poll(&wanted, 1, 10000) == 1);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
    return error;
}

int main(void)
{
    int epoll = epoll_create1(0), done = 0;
    for (int i = 0; i < MANY; i++) {
        int fd = begin(i % 2 ? SERVICE : SERVICE6, ECHO);
        CHECK(fd >= 0);
        struct epoll_event event = { .events = EPOLLOUT, .data.fd = fd };
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    }
    while (done < MANY) {
        struct epoll_event events[MANY];
        int count = epoll_wait(epoll, events, MANY, 10000);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            CHECK(outcome(fd) == 0);
            CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0);
            CHECK(fcntl(fd, F_SETFL, 0) == 0);
            talk(fd);
            close(fd);
            done++;
        }
    }
    puts("many connected");

    /* Refused: at once or when it is asked for, but refused. */
    int fd = begin(SERVICE, CLOSED);
    int error = fd < 0 ? errno : outcome(fd);
    printf("closed: %s\n", error_name(error));
    fd = begin(UNREACHABLE, ECHO);
    error = fd < 0 ? errno : outcome(fd);
    printf("no route: %s\n", error_name(error));

    fd = begin("10.97.0.1", ECHO);
    printf("silent: %s\n", fd < 0 ? error_name(errno) : "in progress");
    close(fd);

    /* The old way to ask: connect() once more. */
    fd = begin(SERVICE, ECHO);
    CHECK(fd >= 0 && outcome(fd) == 0);
    socklen_t length;
    struct sockaddr_storage to = address_of(SERVICE, ECHO, &length);
    int result = connect(fd, (struct sockaddr *)&to, length);
    CHECK(result == 0 || errno == EISCONN);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == -1);
    printf("again: %s\n", error_name(errno));
    return 0;
}
