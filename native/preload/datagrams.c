/* sendto(), sendmsg(), sendmmsg(): to where the agent says. recvfrom(), recvmsg(), recvmmsg(): from whom it really came. */
#define _GNU_SOURCE
#include "agent.h"
#include "hook.h"
#include "settings.h"
#include "sockets.h"

#include <errno.h>
#include <string.h>
#include <time.h>

HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags));

enum destination {
    DESTINATION_AS_IS,
    DESTINATION_STAND_IN,
    DESTINATION_FAILS, /* errno is set */
};

/* Where something goes. The conversation is that of a connection which is opened by its first bytes, see MSG_FASTOPEN in send(2). */
struct route {
    enum destination destination;
    struct sockaddr_storage address;
    socklen_t length;
    int conversation;
};

static void find_connection(const struct endpoint *to, struct endpoint *stand_in, struct route *route)
{
    enum answer answer = agent_map_tcp(to, true, stand_in, &route->conversation);
    if (answer == ANSWER_MAPPED && agent_verdict(route->conversation, 1000) != VERDICT_FAILED)
        route->destination = DESTINATION_STAND_IN;
    else
        route->destination = answer == ANSWER_DIRECT ? DESTINATION_AS_IS : DESTINATION_FAILS;
}

static void find_datagram(int fd, int family, const struct endpoint *to, struct endpoint *stand_in, struct route *route)
{
    bool direct;
    if (datagram_target(fd, family, to, stand_in, &direct) != 0)
        route->destination = DESTINATION_FAILS;
    else
        route->destination = direct ? DESTINATION_AS_IS : DESTINATION_STAND_IN;
}

/* Where what this socket sends to an address has to go. */
static void find_route(int fd, const void *address, socklen_t length, int flags, struct route *route)
{
    struct endpoint to, stand_in;
    sa_family_t family;
    route->destination = DESTINATION_AS_IS;
    route->conversation = -1;
    if (!settings.active || !endpoint_read(address, length, &to) || endpoint_reach(&to) == REACH_LOCAL)
        return;
    memcpy(&family, address, sizeof family);
    int saved = errno;
    switch (socket_kind(fd)) {
    case SOCKET_UDP:
        find_datagram(fd, family, &to, &stand_in, route);
        break;
    case SOCKET_TCP:
        if ((flags & MSG_FASTOPEN) != 0) /* otherwise it is connected, and the address means nothing */
            find_connection(&to, &stand_in, route);
        break;
    case SOCKET_UNCARRIED:
        if (!uncarried_may_go(&to))
            route->destination = DESTINATION_FAILS;
        break;
    default:
        break;
    }
    if (route->destination == DESTINATION_STAND_IN && !endpoint_write(&stand_in, family, &route->address, &route->length)) {
        route->destination = DESTINATION_FAILS;
        errno = ENETUNREACH;
    }
    if (route->destination == DESTINATION_STAND_IN)
        socket_allow_ipv4(fd, family);
    if (route->destination != DESTINATION_FAILS)
        errno = saved;
}

static ssize_t end_route(int fd, const struct route *route, ssize_t sent)
{
    if (route->conversation < 0)
        return sent;
    if (sent >= 0 || errno == EINPROGRESS)
        socket_claim(fd, route->conversation);
    else
        agent_close(route->conversation);
    return sent;
}

HOOK(ssize_t, sendto, (int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length))
{
    struct route route;
    find_route(fd, address, length, flags, &route);
    ssize_t sent = -1;
    if (route.destination == DESTINATION_STAND_IN)
        sent = REAL(sendto)(fd, buffer, size, flags, (struct sockaddr *)&route.address, route.length);
    else if (route.destination == DESTINATION_AS_IS)
        return REAL(sendto)(fd, buffer, size, flags, address, length);
    return end_route(fd, &route, sent);
}

HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    if (!settings.active || message == NULL || message->msg_name == NULL)
        return REAL(sendmsg)(fd, message, flags);
    struct route route;
    find_route(fd, message->msg_name, message->msg_namelen, flags, &route);
    ssize_t sent = -1;
    if (route.destination == DESTINATION_STAND_IN) {
        struct msghdr copy = *message;
        copy.msg_name = &route.address;
        copy.msg_namelen = route.length;
        sent = REAL(sendmsg)(fd, &copy, flags);
    } else if (route.destination == DESTINATION_AS_IS) {
        return REAL(sendmsg)(fd, message, flags);
    }
    return end_route(fd, &route, sent);
}

/* Whether sendmsg() would change the message's address. */
static bool is_elsewhere(const struct msghdr *message)
{
    struct endpoint to;
    return message->msg_name != NULL && endpoint_read(message->msg_name, message->msg_namelen, &to) && endpoint_reach(&to) == REACH_REMOTE;
}

HOOK(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags))
{
    bool elsewhere = false;
    for (unsigned i = 0; settings.active && i < count && !elsewhere; i++)
        elsewhere = is_elsewhere(&messages[i].msg_hdr);
    if (!elsewhere)
        return REAL(sendmmsg)(fd, messages, count, flags);

    /* One by one, because the program's own headers must not be changed. What was sent before an error counts, as in the kernel. */
    for (unsigned i = 0; i < count; i++) {
        ssize_t sent = hook_sendmsg(fd, &messages[i].msg_hdr, flags);
        if (sent < 0)
            return i == 0 ? -1 : (int)i;
        messages[i].msg_len = (unsigned)sent;
    }
    return (int)count;
}

HOOK(ssize_t, recvfrom, (int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length))
{
    socklen_t room = length != NULL ? *length : 0;
    ssize_t received = REAL(recvfrom)(fd, buffer, size, flags, address, length);
    if (settings.active && received >= 0 && address != NULL && length != NULL)
        translate_stand_in(address, room, length);
    return received;
}

/* What recvfrom() is in programs that were built with _FORTIFY_SOURCE for glibc. */
HOOK(ssize_t, __recvfrom_chk, (int fd, void *buffer, size_t size, size_t room_in_buffer, int flags, struct sockaddr *address,
    socklen_t *length))
{
    socklen_t room = length != NULL ? *length : 0;
    ssize_t received = REAL(__recvfrom_chk)(fd, buffer, size, room_in_buffer, flags, address, length);
    if (settings.active && received >= 0 && address != NULL && length != NULL)
        translate_stand_in(address, room, length);
    return received;
}

HOOK(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    socklen_t room = message != NULL && message->msg_name != NULL ? message->msg_namelen : 0;
    ssize_t received = REAL(recvmsg)(fd, message, flags);
    if (settings.active && received >= 0 && room > 0)
        translate_stand_in(message->msg_name, room, &message->msg_namelen);
    return received;
}

HOOK(int, recvmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit))
{
    /* The kernel overwrites how much room each address has. It takes no more than this many messages at once, see sendmmsg(2). */
    unsigned most = count < 1024 ? count : 1024;
    socklen_t rooms[most > 0 ? most : 1];
    for (unsigned i = 0; i < most && settings.active; i++)
        rooms[i] = messages[i].msg_hdr.msg_namelen;
    int received = REAL(recvmmsg)(fd, messages, count, flags, limit);
    for (int i = 0; settings.active && i < received && (unsigned)i < most; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        if (header->msg_name != NULL)
            translate_stand_in(header->msg_name, rooms[i], &header->msg_namelen);
    }
    return received;
}
