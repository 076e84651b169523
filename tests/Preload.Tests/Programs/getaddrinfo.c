#include "program.h"

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void report(const char *node, const char *service, int flags, int family, int type)
{
    struct addrinfo hints = { .ai_flags = flags, .ai_family = family, .ai_socktype = type }, *list = NULL;
    int error = getaddrinfo(node, service, &hints, &list);
    printf("%s %s %x %d %d: %d", node ? node : "-", service ? service : "-", flags, family, type, error == EAI_NODATA ? EAI_NONAME : error);
    char lines[16][160];
    int count = 0;
    const char *canonical = list != NULL ? list->ai_canonname : NULL;
    for (struct addrinfo *at = list; error == 0 && at != NULL && count < 16; at = at->ai_next)
        snprintf(lines[count++], sizeof lines[0], " [%d %d %d %s]", at->ai_family, at->ai_socktype, at->ai_protocol, text_of(at->ai_addr));
    qsort(lines, (size_t)count, sizeof lines[0], compare); /* their order is the C library's own affair */
    for (int i = 0; i < count; i++)
        fputs(lines[i], stdout);
    printf("%s%s\n", canonical ? " " : "", canonical ? canonical : "");
    if (error == 0)
        freeaddrinfo(list);
}

int main(void)
{
    report("web.default.svc.cluster.local", "80", 0, AF_UNSPEC, SOCK_STREAM);
    report("web", "80", 0, AF_INET, SOCK_STREAM);
    report("web.default", "80", 0, AF_INET, SOCK_STREAM);
    report("web.default.svc", NULL, 0, AF_INET, SOCK_DGRAM);
    report("web.default.svc.cluster.local.", "80", AI_CANONNAME, AF_INET, SOCK_STREAM);
    report("web", "80", 0, AF_INET6, SOCK_STREAM);
    report("only4", "80", AI_V4MAPPED, AF_INET6, SOCK_STREAM);
    report("only4", "80", 0, AF_INET6, SOCK_STREAM);
    report("web", "http", 0, AF_INET, 0);
    report("web", "http", 0, AF_INET, SOCK_STREAM);
    report("web", "no-such-service", 0, AF_INET, SOCK_STREAM);
    report("no-such-name.default.svc.cluster.local", "80", 0, AF_UNSPEC, SOCK_STREAM);
    report("127.0.0.1", "80", 0, AF_UNSPEC, SOCK_STREAM);
    report("10.99.0.1", "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    report("::1", "80", 0, AF_UNSPEC, SOCK_STREAM);
    report("web", "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    report(NULL, "80", AI_PASSIVE, AF_INET, SOCK_STREAM);
    report(NULL, "80", 0, AF_INET, SOCK_STREAM);
    report("in-hosts-file", "80", AI_CANONNAME, AF_INET, SOCK_STREAM);
    report("localhost", "80", 0, AF_INET, SOCK_STREAM);
    report("alias", "80", AI_CANONNAME, AF_INET, SOCK_STREAM);
    report("web", "99999999", 0, 12345, SOCK_STREAM);
    struct addrinfo *list = NULL;
    CHECK(getaddrinfo("only4", "80", NULL, &list) == 0 && list != NULL);
    freeaddrinfo(list);
    return 0;
}
