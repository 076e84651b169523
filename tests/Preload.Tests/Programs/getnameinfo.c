#include "program.h"

static void report(const char *address, int port, int flags)
{
    socklen_t length;
    struct sockaddr_storage of = address_of(address, port, &length);
    char host[256] = "", service[64] = "";
    int error = getnameinfo((struct sockaddr *)&of, length, host, sizeof host, service, sizeof service, flags);
    printf("%s %d %x: %d %s %s\n", address, port, flags, error, error ? "" : host, error ? "" : service);
}

int main(void)
{
    report("10.99.0.3", 80, 0);
    report("10.99.0.3", 80, NI_NAMEREQD);
    report("10.99.0.3", 80, NI_NUMERICHOST);
    report("10.99.0.3", 80, NI_NUMERICSERV);
    report("10.99.0.77", 80, 0);
    report("10.99.0.77", 80, NI_NAMEREQD);
    report("10.97.7.7", 80, 0); /* in the hosts file */
    char host[4];
    socklen_t length;
    struct sockaddr_storage of = address_of("10.99.0.3", 80, &length);
    printf("short: %d\n", getnameinfo((struct sockaddr *)&of, length, host, sizeof host, NULL, 0, 0));
    return 0;
}
