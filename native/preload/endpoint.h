/* Addresses of the Internet families, free of sockaddr. */
#ifndef TELEPRESENCE_ENDPOINT_H
#define TELEPRESENCE_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4 is kept in its mapped form ::ffff:a.b.c.d, so that one type serves both families. */
struct endpoint {
    uint8_t address[16];
    uint16_t port; /* host order */
};

enum reach {
    REACH_LOCAL,  /* the kernel's own business: loopback, unspecified, multicast, broadcast, other families */
    REACH_REMOTE, /* the agent's */
};

/* False for everything that is not a whole IPv4 or IPv6 socket address. */
bool endpoint_read(const void *address, socklen_t length, struct endpoint *endpoint);

/* Port 53 is always the agent's, because loopback may hold the machine's name server. */
enum reach endpoint_reach(const struct endpoint *endpoint);

/* Whether it is a loopback address that stands for a remote one. */
bool endpoint_is_stand_in(const struct endpoint *endpoint);

/*
 * Writes it in the form of the given family. An IPv6 endpoint in an IPv4 family does not exist: false.
 */
bool endpoint_write(const struct endpoint *endpoint, int family, struct sockaddr_storage *address, socklen_t *length);

#endif
