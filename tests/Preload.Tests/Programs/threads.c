/* Many threads that do everything at once. */
#include "program.h"
#include <pthread.h>

#define THREADS 8
#define ROUNDS 25

static void *work(void *argument)
{
    long number = (long)argument;
    for (int round = 0; round < ROUNDS; round++) {
        int fd = dial(SOCK_STREAM, number % 2 ? SERVICE : SERVICE6, ECHO);
        CHECK(fd >= 0);
        talk(fd);
        close(fd);

        struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list;
        CHECK(getaddrinfo("web", "80", &hints, &list) == 0);
        freeaddrinfo(list);

        int udp = socket(AF_INET, SOCK_DGRAM, 0);
        struct timeval limit = { .tv_sec = 10 };
        CHECK(setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
        socklen_t length;
        struct sockaddr_storage to = address_of(SERVICE, ECHO, &length), from;
        char buffer[16];
        socklen_t from_length = sizeof from;
        CHECK(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, length) == 1);
        CHECK(recvfrom(udp, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &from_length) == 6);
        CHECK(strcmp(text_of(&to), SERVICE " port 7") == 0 || THREADS > 1);
        close(udp);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    puts("done");
    return 0;
}
