/* Datagrams to a port where nobody is: the kernel says so to who sends again. */
#include "program.h"

int main(void)
{
    int fd = dial(SOCK_DGRAM, SERVICE, CLOSED), error = 0;
    CHECK(fd >= 0);
    struct timeval limit = { .tv_usec = 50000 };
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    for (int i = 0; i < 100 && error != ECONNREFUSED; i++) {
        char byte;
        error = send(fd, "x", 1, 0) < 0 || recv(fd, &byte, 1, 0) < 0 ? errno : 0;
    }
    puts(error_name(error));
    return 0;
}
