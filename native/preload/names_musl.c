/*
 * Name service for musl. Numeric addresses, and service names, are musl's own business; names are the agent's. What getaddrinfo() returns
 * is allocated here, an entry at a time, so that freeaddrinfo() can be told any part of a list, as musl allows.
 */
#define _GNU_SOURCE
#include "agent.h"
#include "hook.h"
#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef NETDB_INTERNAL
#define NETDB_INTERNAL (-1)
#endif

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct entry {
    struct addrinfo info;
    struct sockaddr_storage address;
};

void own_freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_canonname);
        free(list);
        list = next;
    }
}

/* Appends copies of a list of the C library's, which is freed. False when there is no memory. */
static bool append(struct addrinfo ***tail, struct addrinfo *list)
{
    bool complete = true;
    for (const struct addrinfo *from = list; from != NULL; from = from->ai_next) {
        struct entry *copy = calloc(1, sizeof *copy);
        if (copy == NULL) {
            complete = false;
            break;
        }
        copy->info = *from;
        copy->info.ai_next = NULL;
        copy->info.ai_addr = (struct sockaddr *)&copy->address;
        memcpy(&copy->address, from->ai_addr, from->ai_addrlen < sizeof copy->address ? from->ai_addrlen : sizeof copy->address);
        copy->info.ai_canonname = from->ai_canonname != NULL ? strdup(from->ai_canonname) : NULL;
        **tail = &copy->info;
        *tail = &copy->info.ai_next;
    }
    real_freeaddrinfo(list);
    return complete;
}

static int to_eai(enum names_status status)
{
    return status == NAMES_OK ? 0 : status == NAMES_TRY_AGAIN ? EAI_AGAIN : EAI_NONAME;
}

static bool has_ipv6(void)
{
    static const struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_port = 0xffff, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int saved = errno;
    int fd = (int)syscall(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    bool has = fd >= 0 && syscall(SYS_connect, fd, &loopback, sizeof loopback) == 0;
    agent_close(fd);
    errno = saved;
    return has;
}

/* IPv4 addresses where IPv6 ones were asked for: AI_V4MAPPED, and AI_ALL beside it. */
static enum names_status look_up(const char *node, int family, int flags, struct names_answer *answer)
{
    enum names_status status = agent_lookup(node, family, answer);
    if (family == AF_INET6 && (flags & AI_V4MAPPED) != 0 && (status == NAMES_NO_DATA || (flags & AI_ALL) != 0))
        return agent_lookup(node, status == NAMES_NO_DATA ? AF_INET : AF_UNSPEC, answer);
    return status;
}

/* As musl has it: every entry has the canonical name, asked for or not. */
static bool set_name(struct addrinfo *list, const char *name)
{
    for (; list != NULL; list = list->ai_next) {
        free(list->ai_canonname);
        list->ai_canonname = strdup(name);
        if (list->ai_canonname == NULL)
            return false;
    }
    return true;
}

static int build(const struct names_answer *answer, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo **tail = result;
    for (int i = 0; i < answer->count; i++) {
        const uint8_t *address = answer->addresses[i];
        bool ipv4 = memcmp(address, mapped, sizeof mapped) == 0 && hints->ai_family != AF_INET6;
        char text[INET6_ADDRSTRLEN];
        inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? address + 12 : address, text, sizeof text);
        struct addrinfo one = *hints, *list = NULL;
        one.ai_family = ipv4 ? AF_INET : AF_INET6;
        one.ai_flags = (hints->ai_flags & (AI_NUMERICSERV | AI_PASSIVE)) | AI_NUMERICHOST;
        int error = real_getaddrinfo(text, service, &one, &list);
        if (error != 0)
            return error;
        if (!append(&tail, list))
            return EAI_MEMORY;
    }
    return *result != NULL ? 0 : EAI_NONAME;
}

int own_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo wanted = { .ai_family = AF_UNSPEC }, numeric, *list = NULL;
    if (hints != NULL)
        wanted = *hints;
    struct addrinfo *found = NULL, **tail = &found;
    numeric = wanted;
    if (node != NULL)
        numeric.ai_flags |= AI_NUMERICHOST;
    int error = real_getaddrinfo(node, service, hints != NULL || node != NULL ? &numeric : NULL, &list);
    if (error == 0) {
        if (!append(&tail, list)) {
            own_freeaddrinfo(found);
            return EAI_MEMORY;
        }
        *result = found;
        return 0;
    }
    if (error != EAI_NONAME || node == NULL || (wanted.ai_flags & AI_NUMERICHOST) != 0)
        return error;

    if ((wanted.ai_flags & AI_ADDRCONFIG) != 0 && wanted.ai_family != AF_INET && !has_ipv6()) {
        if (wanted.ai_family == AF_INET6)
            return EAI_NONAME;
        wanted.ai_family = AF_INET;
    }
    struct names_answer answer;
    error = to_eai(look_up(node, wanted.ai_family, wanted.ai_flags, &answer));
    if (error == 0)
        error = build(&answer, service, &wanted, &found);
    if (error == 0 && !set_name(found, answer.canonical[0] != '\0' ? answer.canonical : node))
        error = EAI_MEMORY;
    if (error != 0) {
        own_freeaddrinfo(found);
        return error;
    }
    *result = found;
    return 0;
}

/* The address in its 16-byte form; false for other families. */
static bool to_bytes(const void *address, socklen_t length, int family, uint8_t bytes[16])
{
    if (family == AF_INET && length >= 4) {
        memcpy(bytes, mapped, sizeof mapped);
        memcpy(bytes + 12, address, 4);
        return true;
    }
    if (family == AF_INET6 && length >= 16) {
        memcpy(bytes, address, 16);
        return true;
    }
    return false;
}

int own_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t service_size,
    int flags)
{
    struct endpoint endpoint;
    struct names_answer answer;
    if ((flags & NI_NUMERICHOST) != 0 || host == NULL || host_size == 0 || !endpoint_read(address, length, &endpoint))
        return real_getnameinfo(address, length, host, host_size, service, service_size, flags);
    enum names_status status = agent_reverse(endpoint.address, &answer);
    if (status != NAMES_OK && (flags & NI_NAMEREQD) != 0)
        return to_eai(status);
    if (status != NAMES_OK)
        return real_getnameinfo(address, length, host, host_size, service, service_size, flags | NI_NUMERICHOST);
    if (strlen(answer.canonical) >= host_size)
        return EAI_OVERFLOW;
    strcpy(host, answer.canonical);
    return service != NULL && service_size > 0 ? real_getnameinfo(address, length, NULL, 0, service, service_size, flags) : 0;
}

/* Lays an entry out in the caller's buffer. ERANGE when it is too small. */
static int lay_out(const char *name, const char *alias, int family, const uint8_t (*addresses)[16], int count, struct hostent *entry,
    char *buffer, size_t size)
{
    size_t address_length = family == AF_INET ? 4 : 16, skip = -(uintptr_t)buffer & (sizeof(char *) - 1);
    size_t pointers = ((size_t)count + 1 + 2) * sizeof(char *);
    size_t needed = skip + pointers + (size_t)count * address_length + strlen(name) + 1 + (alias != NULL ? strlen(alias) + 1 : 0);
    if (size < needed)
        return ERANGE;
    char **list = (char **)(void *)(buffer + skip);
    char *at = buffer + skip + pointers;
    entry->h_addrtype = family;
    entry->h_length = (int)address_length;
    entry->h_addr_list = list;
    for (int i = 0; i < count; i++) {
        memcpy(at, family == AF_INET ? addresses[i] + 12 : addresses[i], address_length);
        *list++ = at;
        at += address_length;
    }
    *list++ = NULL;
    entry->h_aliases = list;
    if (alias != NULL) {
        *list++ = strcpy(at, alias);
        at += strlen(alias) + 1;
    }
    *list = NULL;
    entry->h_name = strcpy(at, name);
    return 0;
}

static int to_h_errno(enum names_status status)
{
    return status == NAMES_TRY_AGAIN ? TRY_AGAIN : status == NAMES_NO_DATA ? NO_DATA : HOST_NOT_FOUND;
}

int own_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result, int *error)
{
    struct names_answer answer = { .count = 1 };
    struct in_addr ipv4;
    *result = NULL;
    if (family != AF_INET && family != AF_INET6) {
        *error = NO_RECOVERY;
        return EAFNOSUPPORT;
    }
    enum names_status status = NAMES_OK;
    if (family == AF_INET && inet_aton(name, &ipv4) != 0)
        to_bytes(&ipv4, sizeof ipv4, AF_INET, answer.addresses[0]);
    else if (family != AF_INET6 || inet_pton(AF_INET6, name, answer.addresses[0]) != 1)
        status = agent_lookup(name, family, &answer);
    if (status != NAMES_OK) {
        *error = to_h_errno(status);
        return status == NAMES_TRY_AGAIN ? EAGAIN : 0;
    }
    const char *canonical = answer.canonical[0] != '\0' ? answer.canonical : name;
    const char *alias = strcasecmp(canonical, name) != 0 ? name : NULL;
    int failure = lay_out(canonical, alias, family, (const uint8_t (*)[16])answer.addresses, answer.count, entry, buffer, size);
    if (failure != 0) {
        *error = NETDB_INTERNAL;
        errno = failure;
        return failure;
    }
    *result = entry;
    return 0;
}

int own_gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size,
    struct hostent **result, int *error)
{
    struct names_answer answer;
    uint8_t bytes[1][16];
    *result = NULL;
    if (!to_bytes(address, length, family, bytes[0])) {
        *error = NO_RECOVERY;
        return EINVAL;
    }
    /* As musl has it: an address without a name is its own name. */
    if (agent_reverse(bytes[0], &answer) != NAMES_OK)
        inet_ntop(family, address, answer.canonical, sizeof answer.canonical);
    int failure = lay_out(answer.canonical, NULL, family, (const uint8_t (*)[16])bytes, 1, entry, buffer, size);
    if (failure != 0) {
        *error = NETDB_INTERNAL;
        errno = failure;
        return failure;
    }
    *result = entry;
    return 0;
}

int own_res_send(const unsigned char *query, int length, unsigned char *answer, int size)
{
    if (length < 0 || size <= 0)
        return -1;
    int received = agent_query(query, (size_t)length, answer, (size_t)size);
    return received < size ? received : size;
}

int own_res_query(const char *name, int class, int type, unsigned char *answer, int size)
{
    typedef int (*make_query)(int, const char *, int, int, const unsigned char *, int, const unsigned char *, unsigned char *, int);
    unsigned char query[280];
    int length = REAL_AS(res_mkquery, make_query)(0, name, class, type, NULL, 0, NULL, query, sizeof query);
    if (length < 0) {
        h_errno = NO_RECOVERY;
        return -1;
    }
    int received = own_res_send(query, length, answer, size);
    if (received < 12) {
        h_errno = TRY_AGAIN;
        return -1;
    }
    int code = answer[3] & 15;
    if (code == 3 || code == 2 || (answer[6] == 0 && answer[7] == 0)) {
        h_errno = code == 3 ? HOST_NOT_FOUND : code == 2 ? TRY_AGAIN : NO_DATA;
        return -1;
    }
    return received;
}
