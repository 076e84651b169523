/* Signals while connect() waits: 10.97.0.1 takes no connections and refuses none. */
#include "program.h"
#include <setjmp.h>

#define SILENT "10.97.0.1"

static sigjmp_buf back;

static void ignore(int signal)
{
    (void)signal;
}

static void leap(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static void alarm_in(int milliseconds, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval timer = { .it_value = { .tv_usec = milliseconds * 1000 } };
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

int main(void)
{
    alarm_in(200, ignore, 0);
    CHECK(dial(SOCK_STREAM, SILENT, ECHO) == -1);
    printf("interrupted: %d\n", errno == EINTR);

    /* wget leaves connect() and getaddrinfo() like this. */
    if (sigsetjmp(back, 1) == 0) {
        alarm_in(200, leap, 0);
        dial(SOCK_STREAM, SILENT, ECHO);
        puts("not reached");
    }
    int fd = dial(SOCK_STREAM, SERVICE, ECHO);
    CHECK(fd >= 0);
    talk(fd);

    /* SO_SNDTIMEO is a limit for connect(). */
    socklen_t length;
    struct sockaddr_storage to = address_of(SILENT, ECHO, &length);
    struct timeval limit = { .tv_usec = 200000 };
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, length) == -1);
    printf("limited: %s\n", error_name(errno));
    puts("done");
    return 0;
}
