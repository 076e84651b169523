/* Name service in the two C libraries. */
#ifndef TELEPRESENCE_NAMES_H
#define TELEPRESENCE_NAMES_H

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * glibc: its own resolver does the work, with all its rules, after its state was made to name the agent as the only name server. The first
 * is the calling thread's state, which every function without a state argument uses.
 */
void aim_thread(void);
void aim(struct __res_state *state);

/* musl: its resolver reads /etc/resolv.conf at each call and cannot be told otherwise, so names are looked up here. */
int own_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
void own_freeaddrinfo(struct addrinfo *list);
int own_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t service_size,
    int flags);
int own_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result, int *error);
int own_gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size,
    struct hostent **result, int *error);
int own_res_query(const char *name, int class, int type, unsigned char *answer, int size);
int own_res_send(const unsigned char *query, int length, unsigned char *answer, int size);

/* The C library's functions behind the hooks, for numeric addresses and service names. */
int real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
void real_freeaddrinfo(struct addrinfo *list);
int real_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
    socklen_t service_size, int flags);

#endif
