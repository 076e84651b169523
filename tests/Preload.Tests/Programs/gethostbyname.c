/* gethostbyname(), gethostbyname2(), gethostbyaddr() and their _r forms. */
#include "program.h"

static void print(const char *what, const struct hostent *entry, int error)
{
    printf("%s:", what);
    if (entry == NULL) {
        printf(" error %d\n", error);
        return;
    }
    printf(" %s %d %d", entry->h_name, entry->h_addrtype, entry->h_length);
    for (char **at = entry->h_addr_list; *at != NULL; at++) {
        char text[INET6_ADDRSTRLEN];
        printf(" %s", inet_ntop(entry->h_addrtype, *at, text, sizeof text));
    }
    puts("");
}

int main(void)
{
    static const char *const names[] = { "web.default.svc.cluster.local", "web", "only4", "in-hosts-file", "10.99.0.1",
        "no-such-name.default.svc.cluster.local", "localhost" };
    char buffer[4096];
    struct hostent entry, *result;
    int error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        h_errno = 0;
        result = gethostbyname(names[i]);
        print(names[i], result, h_errno);
        result = NULL;
        int code = gethostbyname_r(names[i], &entry, buffer, sizeof buffer, &result, &error);
        CHECK(code == 0 || result == NULL);
        print(" _r", result, error);
    }
    result = gethostbyname2("web.default.svc.cluster.local", AF_INET6);
    print("IPv6", result, h_errno);
    result = NULL;
    gethostbyname2_r("web.default.svc.cluster.local", AF_INET6, &entry, buffer, sizeof buffer, &result, &error);
    print("IPv6 _r", result, error);
    CHECK(gethostbyname_r("web.default.svc.cluster.local", &entry, buffer, 8, &result, &error) == ERANGE && result == NULL);

    struct in_addr address;
    inet_pton(AF_INET, "10.99.0.3", &address);
    result = gethostbyaddr(&address, sizeof address, AF_INET);
    print("address", result, h_errno);
    result = NULL;
    gethostbyaddr_r(&address, sizeof address, AF_INET, &entry, buffer, sizeof buffer, &result, &error);
    print("address _r", result, error);
    return 0;
}
