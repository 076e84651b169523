#define _GNU_SOURCE
#include "endpoint.h"
#include "settings.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define PORT_NAMES 53

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_ipv4(const struct endpoint *endpoint)
{
    return memcmp(endpoint->address, mapped, sizeof mapped) == 0;
}

bool endpoint_read(const void *address, socklen_t length, struct endpoint *endpoint)
{
    sa_family_t family;
    if (address == NULL || length < sizeof family)
        return false;
    memcpy(&family, address, sizeof family);
    if (family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memcpy(endpoint->address, mapped, sizeof mapped);
        memcpy(endpoint->address + 12, &in.sin_addr, 4);
        endpoint->port = ntohs(in.sin_port);
        return true;
    }

    /* The kernel takes IPv6 addresses without the scope, as RFC 2133 had them. */
    const socklen_t without_scope = offsetof(struct sockaddr_in6, sin6_scope_id);
    if (family == AF_INET6 && length >= without_scope) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, without_scope);
        memcpy(endpoint->address, &in6.sin6_addr, 16);
        endpoint->port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

enum reach endpoint_reach(const struct endpoint *endpoint)
{
    const uint8_t *a = endpoint->address;
    if (is_ipv4(endpoint)) {
        if (a[12] >= 224) /* multicast, reserved, broadcast */
            return REACH_LOCAL;
        if (endpoint_is_stand_in(endpoint)) /* already translated: whoever got hold of it may use it */
            return REACH_LOCAL;
        if (endpoint->port == PORT_NAMES)
            return REACH_REMOTE;
        return a[12] == 127 || (a[12] | a[13] | a[14] | a[15]) == 0 ? REACH_LOCAL : REACH_REMOTE;
    }

    static const uint8_t zeros[15];
    if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80 && endpoint->port != PORT_NAMES)) /* multicast, link-local */
        return REACH_LOCAL;
    if (endpoint->port == PORT_NAMES)
        return REACH_REMOTE;
    return memcmp(a, zeros, sizeof zeros) == 0 && a[15] <= 1 ? REACH_LOCAL : REACH_REMOTE;
}

bool endpoint_is_stand_in(const struct endpoint *endpoint)
{
    return is_ipv4(endpoint) && memcmp(endpoint->address + 12, &settings.prefix, 2) == 0;
}

bool endpoint_write(const struct endpoint *endpoint, int family, struct sockaddr_storage *address, socklen_t *length)
{
    memset(address, 0, sizeof *address);
    if (family == AF_INET) {
        if (!is_ipv4(endpoint))
            return false;
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        memcpy(&in->sin_addr, endpoint->address + 12, 4);
        *length = sizeof *in;
        return true;
    }

    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(endpoint->port);
    memcpy(&in6->sin6_addr, endpoint->address, 16);
    *length = sizeof *in6;
    return true;
}
