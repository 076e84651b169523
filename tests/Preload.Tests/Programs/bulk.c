/* Many bytes both ways at once, and their end. */
#include "program.h"

#define TOTAL (24 << 20)

int main(void)
{
    int fd = dial(SOCK_STREAM, SERVICE, ECHO);
    CHECK(fd >= 0);
    static unsigned char buffer[65536];
    if (fork() == 0) {
        for (size_t sent = 0; sent < TOTAL;) {
            for (size_t i = 0; i < sizeof buffer; i++)
                buffer[i] = (unsigned char)((sent + i) * 31 >> 3);
            for (size_t at = 0; at < sizeof buffer;) {
                ssize_t count = send(fd, buffer + at, sizeof buffer - at, MSG_NOSIGNAL);
                if (count <= 0)
                    _exit(1);
                at += (size_t)count;
            }
            sent += sizeof buffer;
        }
        shutdown(fd, SHUT_WR);
        _exit(0);
    }
    size_t have = 0, skip = 6; /* the greeting */
    for (;;) {
        ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        CHECK(count >= 0);
        if (count == 0)
            break;
        for (ssize_t i = 0; i < count; i++) {
            if (skip > 0) {
                skip--;
                continue;
            }
            CHECK(buffer[i] == (unsigned char)(have * 31 >> 3));
            have++;
        }
    }
    int status = -1;
    CHECK(wait(&status) > 0 && status == 0);
    printf("%zu bytes\n", have);
    return 0;
}
