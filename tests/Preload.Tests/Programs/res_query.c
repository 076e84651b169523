/* res_query(), res_search(), res_querydomain(), res_send() and, in glibc, those with a state. */
#include "program.h"
#include <arpa/nameser.h>

static void print(const char *what, const unsigned char *answer, int length)
{
    printf("%s:", what);
    ns_msg message;
    if (length < 0 || ns_initparse(answer, length, &message) != 0) {
        printf(" error %d\n", length < 0 ? h_errno : -1);
        return;
    }
    printf(" rcode %d, %d answers", ns_msg_getflag(message, ns_f_rcode), ns_msg_count(message, ns_s_an));
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
        ns_rr record;
        CHECK(ns_parserr(&message, ns_s_an, i, &record) == 0);
        printf(" [type %d, %d bytes]", ns_rr_type(record), ns_rr_rdlen(record));
    }
    puts("");
}

int main(void)
{
    unsigned char answer[65536], query[512];
    print("A", answer, res_query("web.default.svc.cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("SRV", answer, res_query("_http._tcp.web.default.svc.cluster.local", ns_c_in, ns_t_srv, answer, sizeof answer));
#ifdef __GLIBC__ /* musl 1.2.3 has no TCP for it; the shim needs none */
    print("TXT, long", answer, res_query("long.default.svc.cluster.local", ns_c_in, ns_t_txt, answer, sizeof answer));
#endif
    print("none", answer, res_query("no-such-name.default.svc.cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("no data", answer, res_query("only4.default.svc.cluster.local", ns_c_in, ns_t_aaaa, answer, sizeof answer));
    print("search", answer, res_search("web.default.svc.cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("domain", answer, res_querydomain("web.default.svc", "cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    int length = res_mkquery(ns_o_query, "web.default.svc.cluster.local", ns_c_in, ns_t_a, NULL, 0, NULL, query, sizeof query);
    CHECK(length > 0);
    print("send", answer, res_send(query, length, answer, sizeof answer));
#ifdef __GLIBC__
    struct __res_state state;
    memset(&state, 0, sizeof state);
    CHECK(res_ninit(&state) == 0);
    print("state A", answer, res_nquery(&state, "web.default.svc.cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("state search", answer, res_nsearch(&state, "web.default.svc.cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("state domain", answer, res_nquerydomain(&state, "web.default.svc", "cluster.local", ns_c_in, ns_t_a, answer, sizeof answer));
    print("state send", answer, res_nsend(&state, query, length, answer, sizeof answer));
    res_nclose(&state);
#endif
    return 0;
}
