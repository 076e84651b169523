/* The hooks of name service; what they do is in names_glibc.c and names_musl.c. */
#define _GNU_SOURCE
#include "names.h"
#include "hook.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the agent is asked here and not by the C library. */
static bool is_own(void)
{
    if (settings.active && settings.glibc) {
        int saved = errno;
        aim_thread();
        errno = saved;
    }
    return settings.active && !settings.glibc;
}

static void aim_state(struct __res_state *state)
{
    if (settings.active && settings.glibc)
        aim(state);
}

HOOK(int, getaddrinfo, (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result))
{
    return is_own() ? own_getaddrinfo(node, service, hints, result) : REAL(getaddrinfo)(node, service, hints, result);
}

HOOK(void, freeaddrinfo, (struct addrinfo *list))
{
    if (settings.active && !settings.glibc)
        own_freeaddrinfo(list);
    else
        REAL(freeaddrinfo)(list);
}

HOOK(int, getnameinfo, (const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
    socklen_t service_size, int flags))
{
    if (is_own())
        return own_getnameinfo(address, length, host, host_size, service, service_size, flags);
    return REAL(getnameinfo)(address, length, host, host_size, service, service_size, flags);
}

int real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    return REAL(getaddrinfo)(node, service, hints, result);
}

void real_freeaddrinfo(struct addrinfo *list)
{
    REAL(freeaddrinfo)(list);
}

int real_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
    socklen_t service_size, int flags)
{
    return REAL(getnameinfo)(address, length, host, host_size, service, service_size, flags);
}

HOOK(int, gethostbyname2_r, (const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
    int *error))
{
    if (is_own())
        return own_gethostbyname2_r(name, family, entry, buffer, size, result, error);
    return REAL(gethostbyname2_r)(name, family, entry, buffer, size, result, error);
}

HOOK(int, gethostbyname_r, (const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result, int *error))
{
    if (is_own())
        return own_gethostbyname2_r(name, AF_INET, entry, buffer, size, result, error);
    return REAL(gethostbyname_r)(name, entry, buffer, size, result, error);
}

HOOK(int, gethostbyaddr_r, (const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size,
    struct hostent **result, int *error))
{
    if (is_own())
        return own_gethostbyaddr_r(address, length, family, entry, buffer, size, result, error);
    return REAL(gethostbyaddr_r)(address, length, family, entry, buffer, size, result, error);
}

/* What the functions without a buffer return, one for the process, as their manual says. */
static struct hostent shared_entry;
static char shared_buffer[8192];

static struct hostent *by_name(const char *name, int family)
{
    struct hostent *result = NULL;
    int error = 0;
    own_gethostbyname2_r(name, family, &shared_entry, shared_buffer, sizeof shared_buffer, &result, &error);
    if (result == NULL)
        h_errno = error;
    return result;
}

HOOK(struct hostent *, gethostbyname, (const char *name))
{
    return is_own() ? by_name(name, AF_INET) : REAL(gethostbyname)(name);
}

HOOK(struct hostent *, gethostbyname2, (const char *name, int family))
{
    return is_own() ? by_name(name, family) : REAL(gethostbyname2)(name, family);
}

HOOK(struct hostent *, gethostbyaddr, (const void *address, socklen_t length, int family))
{
    if (!is_own())
        return REAL(gethostbyaddr)(address, length, family);
    struct hostent *result = NULL;
    int error = 0;
    own_gethostbyaddr_r(address, length, family, &shared_entry, shared_buffer, sizeof shared_buffer, &result, &error);
    if (result == NULL)
        h_errno = error;
    return result;
}

/* glibc has each under two names: one of programs of today, one of programs from before 2.34. */

HOOK(int, res_send, (const unsigned char *query, int length, unsigned char *answer, int size))
{
    return is_own() ? own_res_send(query, length, answer, size) : REAL(res_send)(query, length, answer, size);
}

HOOK(int, __res_send, (const unsigned char *query, int length, unsigned char *answer, int size))
{
    return hook_res_send(query, length, answer, size);
}

HOOK(int, res_query, (const char *name, int class, int type, unsigned char *answer, int size))
{
    return is_own() ? own_res_query(name, class, type, answer, size) : REAL(res_query)(name, class, type, answer, size);
}

HOOK(int, __res_query, (const char *name, int class, int type, unsigned char *answer, int size))
{
    return hook_res_query(name, class, type, answer, size);
}

HOOK(int, res_search, (const char *name, int class, int type, unsigned char *answer, int size))
{
    /* musl has no search list in this function either. */
    return is_own() ? own_res_query(name, class, type, answer, size) : REAL(res_search)(name, class, type, answer, size);
}

HOOK(int, __res_search, (const char *name, int class, int type, unsigned char *answer, int size))
{
    return hook_res_search(name, class, type, answer, size);
}

HOOK(int, res_querydomain, (const char *name, const char *domain, int class, int type, unsigned char *answer, int size))
{
    char whole[NI_MAXHOST];
    if (!is_own())
        return REAL(res_querydomain)(name, domain, class, type, answer, size);
    if (name == NULL || domain == NULL || strlen(name) + strlen(domain) + 2 > sizeof whole)
        return -1;
    strcpy(whole, name);
    strcat(whole, ".");
    strcat(whole, domain);
    return own_res_query(whole, class, type, answer, size);
}

HOOK(int, __res_querydomain, (const char *name, const char *domain, int class, int type, unsigned char *answer, int size))
{
    return hook_res_querydomain(name, domain, class, type, answer, size);
}

HOOK(int, res_nsend, (struct __res_state *state, const unsigned char *query, int length, unsigned char *answer, int size))
{
    aim_state(state);
    return REAL(res_nsend)(state, query, length, answer, size);
}

HOOK(int, __res_nsend, (struct __res_state *state, const unsigned char *query, int length, unsigned char *answer, int size))
{
    return hook_res_nsend(state, query, length, answer, size);
}

HOOK(int, res_nquery, (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size))
{
    aim_state(state);
    return REAL(res_nquery)(state, name, class, type, answer, size);
}

HOOK(int, __res_nquery, (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size))
{
    return hook_res_nquery(state, name, class, type, answer, size);
}

HOOK(int, res_nsearch, (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size))
{
    aim_state(state);
    return REAL(res_nsearch)(state, name, class, type, answer, size);
}

HOOK(int, __res_nsearch, (struct __res_state *state, const char *name, int class, int type, unsigned char *answer, int size))
{
    return hook_res_nsearch(state, name, class, type, answer, size);
}

HOOK(int, res_nquerydomain, (struct __res_state *state, const char *name, const char *domain, int class, int type,
    unsigned char *answer, int size))
{
    aim_state(state);
    return REAL(res_nquerydomain)(state, name, domain, class, type, answer, size);
}

HOOK(int, __res_nquerydomain, (struct __res_state *state, const char *name, const char *domain, int class, int type,
    unsigned char *answer, int size))
{
    return hook_res_nquerydomain(state, name, domain, class, type, answer, size);
}
