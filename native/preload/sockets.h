/* What connect() and the datagram calls share: what a socket is, and where an address leads. */
#ifndef TELEPRESENCE_SOCKETS_H
#define TELEPRESENCE_SOCKETS_H

#include "endpoint.h"

enum socket_kind {
    SOCKET_TCP,
    SOCKET_UDP,
    SOCKET_UNCARRIED, /* of the Internet, and neither of these: ICMP, raw, SCTP, ... */
    SOCKET_OTHER,     /* Unix, ... */
};

enum socket_kind socket_kind(int fd);

/*
 * A stand-in is an IPv4 loopback address. An IPv6 socket reaches it in mapped form, unless it was told to be IPv6 only: that is taken
 * back, which the kernel allows for as long as the socket is not bound.
 */
void socket_allow_ipv4(int fd, int family);

/*
 * Where a datagram of this socket to the endpoint goes: 0 and *stand_in, 0 and *direct, or -1 with errno. Answers of the agent are
 * remembered by this thread for some seconds. The socket has a port afterwards, as it would have had after sending.
 */
int datagram_target(int fd, int family, const struct endpoint *to, struct endpoint *stand_in, bool *direct);

/*
 * Whether a packet that is neither TCP nor UDP may go to the endpoint, because that is outside the cluster. If not, whoever started the
 * session is told of this program, and errno is set.
 */
bool uncarried_may_go(const struct endpoint *to);

/* Tells the agent that this socket is the one that is on its way to the stand-in, and ends the conversation. errno is kept. */
void socket_claim(int fd, int conversation);

/* If the address is a stand-in, writes what it stands for instead. `room` is the size of the buffer, `length` that of the address. */
void translate_stand_in(void *address, socklen_t room, socklen_t *length);

#endif
