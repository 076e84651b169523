// Prints what http://HOST/ answers: getaddrinfo, connect, write, read, as any C program does it.
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    const char *host = count > 1 ? arguments[1] : "localhost";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
    int error = getaddrinfo(host, "80", &hints, &found);
    if (error != 0)
        return fprintf(stderr, "%s: %s\n", host, gai_strerror(error)), 2;
    for (each = found; each != NULL; each = each->ai_next) {
        int fd = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) == 0) {
            char buffer[4096], *body;
            size_t filled = 0;
            ssize_t length = snprintf(buffer, sizeof buffer, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", host);
            if (write(fd, buffer, (size_t)length) != length)
                return perror("write"), 3;
            while (filled < sizeof buffer - 1 && (length = read(fd, buffer + filled, sizeof buffer - 1 - filled)) > 0)
                filled += (size_t)length;
            buffer[filled] = 0;
            body = strstr(buffer, "\r\n\r\n");
            fputs(body == NULL ? "" : body + 4, stdout);
            return 0;
        }
        perror("connect");
        if (fd >= 0)
            close(fd);
    }
    return 4;
}
