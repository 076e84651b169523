#define _GNU_SOURCE
#include "sockets.h"
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum socket_kind socket_kind(int fd)
{
    int type = 0, protocol = 0, domain = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        return SOCKET_OTHER;
    length = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0)
        return SOCKET_OTHER;
    if (type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
        return SOCKET_TCP;
    if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
        return SOCKET_UDP;
    length = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && (domain == AF_INET || domain == AF_INET6))
        return SOCKET_UNCARRIED;
    return SOCKET_OTHER;
}

/* Apart, because of the room that it needs on the stack. */
static __attribute__((noinline)) void tell_of_this_program(void)
{
    char path[4096];
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return;
    path[length] = '\0';
    agent_notice(NOTICE_PACKETS, path);
}

bool uncarried_may_go(const struct endpoint *to)
{
    int saved = errno;
    if (agent_is_direct(to)) {
        errno = saved;
        return true;
    }
    tell_of_this_program();
    errno = ENETUNREACH;
    return false;
}

void socket_allow_ipv4(int fd, int family)
{
    int only = 0;
    socklen_t length = sizeof only;
    if (family != AF_INET6 || getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) != 0 || only == 0)
        return;
    int saved = errno;
    only = 0;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    errno = saved;
}

/*
 * What the agent said of datagrams' addresses, for both directions. A thread's own, so without locks. The agent keeps a stand-in for
 * longer than it may be remembered here, and never gives one to another address.
 */
#define REMEMBERED 8
#define REMEMBER_SECONDS 20

struct fact {
    long until; /* 0: empty */
    uint16_t port; /* of the sender; the agent lets in only what it was told of */
    bool direct;
    struct endpoint to;
    struct endpoint stand_in;
};

static __thread struct {
    /*
     * Set while a fact is being written. A signal handler that sends datagrams meanwhile does without; should it leave with longjmp,
     * this thread remembers nothing any more, which is slower and right.
     */
    volatile sig_atomic_t busy;
    unsigned next;
    struct fact facts[REMEMBERED];
} memory;

static long seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec + 1;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && memcmp(a->address, b->address, sizeof a->address) == 0;
}

static void remember(const struct endpoint *to, uint16_t port, const struct endpoint *stand_in, bool direct)
{
    if (memory.busy)
        return;
    memory.busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    struct fact *fact = &memory.facts[memory.next++ % REMEMBERED];
    fact->to = *to;
    fact->stand_in = *stand_in;
    fact->port = port;
    fact->direct = direct;
    fact->until = seconds_now() + REMEMBER_SECONDS;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    memory.busy = 0;
}

/* The local port; a socket that has none is given one, as sending would do. 0 when there is none to be had. */
static uint16_t local_port(int fd, int family)
{
    struct sockaddr_storage local;
    struct endpoint endpoint;
    for (int attempt = 0; attempt < 2; attempt++) {
        socklen_t length = sizeof local;
        if (getsockname(fd, (struct sockaddr *)&local, &length) != 0 || !endpoint_read(&local, length, &endpoint))
            return 0;
        if (endpoint.port != 0)
            return endpoint.port;
        memset(&local, 0, sizeof local);
        local.ss_family = (sa_family_t)family;
        if (bind(fd, (struct sockaddr *)&local, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)) != 0)
            return 0;
    }
    return 0;
}

int datagram_target(int fd, int family, const struct endpoint *to, struct endpoint *stand_in, bool *direct)
{
    socket_allow_ipv4(fd, family);
    long now = seconds_now();
    uint16_t port = local_port(fd, family);
    for (int i = 0; i < REMEMBERED && !memory.busy; i++) {
        const struct fact *fact = &memory.facts[i];
        if (fact->until > now && fact->port == port && same(&fact->to, to)) {
            *stand_in = fact->stand_in;
            *direct = fact->direct;
            return 0;
        }
    }

    enum answer answer = agent_map_udp(to, port, stand_in);
    if (answer == ANSWER_ERROR)
        return -1;
    *direct = answer == ANSWER_DIRECT;
    if (*direct)
        *stand_in = *to;
    remember(to, port, stand_in, *direct);
    return 0;
}

void socket_claim(int fd, int conversation)
{
    struct sockaddr_storage local;
    struct endpoint endpoint;
    socklen_t length = sizeof local;
    int saved = errno;
    if (getsockname(fd, (struct sockaddr *)&local, &length) == 0 && endpoint_read(&local, length, &endpoint))
        agent_claim(conversation, &endpoint);
    agent_close(conversation);
    errno = saved;
}

static bool real_of(const struct endpoint *stand_in, struct endpoint *real)
{
    long now = seconds_now();
    for (int i = 0; i < REMEMBERED && !memory.busy; i++) {
        const struct fact *fact = &memory.facts[i];
        if (fact->until > now && !fact->direct && same(&fact->stand_in, stand_in)) {
            *real = fact->to;
            return true;
        }
    }
    if (!agent_real(stand_in, real))
        return false;
    remember(real, 0, stand_in, false);
    return true;
}

void translate_stand_in(void *address, socklen_t room, socklen_t *length)
{
    struct endpoint endpoint, real;
    struct sockaddr_storage storage;
    socklen_t whole;
    sa_family_t family;
    if (*length > room || !endpoint_read(address, *length, &endpoint) || !endpoint_is_stand_in(&endpoint) || !real_of(&endpoint, &real))
        return;
    memcpy(&family, address, sizeof family);
    if (!endpoint_write(&real, family, &storage, &whole))
        return;
    memcpy(address, &storage, whole < room ? whole : room);
    *length = whole;
}
