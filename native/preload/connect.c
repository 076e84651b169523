/* connect() and getpeername(). */
#define _GNU_SOURCE
#include "agent.h"
#include "hook.h"
#include "settings.h"
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

HOOK(int, connect, (int fd, const struct sockaddr *address, socklen_t length));

/*
 * A non-blocking connect() waits for the truth this long, because afterwards nothing can make the kernel say "refused": the agent has
 * then accepted, and a failure is seen as a connection that is reset.
 */
#define NON_BLOCKING_PATIENCE 1000

/* As long as the kernel repeats a SYN, see tcp_syn_retries in tcp(7); the pod gives up sooner, unless the session has lost its link. */
#define BLOCKING_PATIENCE 130000

/* Whether the program is only asking what became of an earlier connect(), or mistaken; the kernel knows the answer. */
static bool is_under_way(int fd)
{
    unsigned char state = TCP_CLOSE;
    socklen_t length = sizeof state;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) == 0 && state != TCP_CLOSE;
}

static bool is_non_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

/* SO_SNDTIMEO limits a blocking connect(), see socket(7). */
static int send_limit(int fd)
{
    struct timeval limit = { 0 };
    socklen_t length = sizeof limit;
    if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &length) != 0 || (limit.tv_sec == 0 && limit.tv_usec == 0))
        return FOREVER;
    return limit.tv_sec > 1000000 ? FOREVER : (int)(limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000);
}

static int connect_to(int fd, int family, const struct endpoint *endpoint)
{
    struct sockaddr_storage storage;
    socklen_t length;
    if (!endpoint_write(endpoint, family, &storage, &length)) {
        errno = ENETUNREACH;
        return -1;
    }
    socket_allow_ipv4(fd, family);
    return REAL(connect)(fd, (struct sockaddr *)&storage, length);
}

static int connect_tcp(int fd, const struct sockaddr *address, socklen_t length, const struct endpoint *to)
{
    if (is_under_way(fd))
        return REAL(connect)(fd, address, length);
    bool non_blocking = is_non_blocking(fd);
    int limit = non_blocking ? NON_BLOCKING_PATIENCE : send_limit(fd);
    int saved = errno, conversation;
    struct endpoint stand_in;
    enum answer answer = agent_map_tcp(to, non_blocking, &stand_in, &conversation);
    if (answer == ANSWER_ERROR)
        return -1;
    if (answer == ANSWER_DIRECT) {
        errno = saved;
        return REAL(connect)(fd, address, length);
    }

    enum verdict verdict = agent_verdict(conversation, limit == FOREVER ? BLOCKING_PATIENCE : limit);
    if (verdict == VERDICT_OUT_OF_TIME && limit == FOREVER) {
        errno = ETIMEDOUT;
        verdict = VERDICT_FAILED;
    }
    /* An event loop's connect() is never interrupted; a signal that comes in its second of patience only shortens that. */
    if (verdict == VERDICT_INTERRUPTED && non_blocking)
        verdict = VERDICT_OUT_OF_TIME;
    if (verdict == VERDICT_FAILED) {
        agent_close(conversation);
        return -1;
    }

    errno = saved;
    int result = connect_to(fd, address->sa_family, &stand_in);
    if (result == 0 || errno == EINPROGRESS)
        socket_claim(fd, conversation);
    else
        agent_close(conversation);
    if (result == 0 && !non_blocking && verdict != VERDICT_CONNECTED) {
        /* As the kernel has it: the connection goes on being made in the background. */
        errno = verdict == VERDICT_INTERRUPTED ? EINTR : EINPROGRESS;
        return -1;
    }
    return result;
}

static int connect_udp(int fd, const struct sockaddr *address, socklen_t length, const struct endpoint *to)
{
    struct endpoint stand_in;
    bool direct;
    int saved = errno;
    if (datagram_target(fd, address->sa_family, to, &stand_in, &direct) != 0)
        return -1;
    errno = saved;
    return direct ? REAL(connect)(fd, address, length) : connect_to(fd, address->sa_family, &stand_in);
}

HOOK(int, connect, (int fd, const struct sockaddr *address, socklen_t length))
{
    struct endpoint to;
    if (!settings.active || !endpoint_read(address, length, &to) || endpoint_reach(&to) == REACH_LOCAL)
        return REAL(connect)(fd, address, length);
    int saved = errno;
    enum socket_kind kind = socket_kind(fd);
    errno = saved;
    switch (kind) {
    case SOCKET_TCP:
        return connect_tcp(fd, address, length, &to);
    case SOCKET_UDP:
        return connect_udp(fd, address, length, &to);
    case SOCKET_UNCARRIED:
        return uncarried_may_go(&to) ? REAL(connect)(fd, address, length) : -1;
    default:
        return REAL(connect)(fd, address, length);
    }
}

HOOK(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length))
{
    if (!settings.active || address == NULL || length == NULL)
        return REAL(getpeername)(fd, address, length);
    struct sockaddr_storage peer;
    socklen_t whole = sizeof peer, room = *length;
    int result = REAL(getpeername)(fd, (struct sockaddr *)&peer, &whole);
    if (result != 0)
        return result;
    translate_stand_in(&peer, sizeof peer, &whole);
    memcpy(address, &peer, whole < room ? whole : room);
    *length = whole;
    return 0;
}
