/*
 * Questions to the agent. Each is one connection to its socket, made and closed within the call, with system calls only: nothing is kept
 * that a fork, a closed descriptor, another thread, a signal handler or a longjmp could spoil, and no function of the C library that
 * could be hooked (by us or by another preloaded library) is called.
 *
 * The wire format is in README.md.
 */
#ifndef TELEPRESENCE_AGENT_H
#define TELEPRESENCE_AGENT_H

#include "endpoint.h"

#include <stddef.h>

/* No limit to a wait. */
#define FOREVER (-1)

enum answer {
    ANSWER_MAPPED = 0, /* use the stand-in */
    ANSWER_DIRECT = 1, /* use the address itself */
    ANSWER_ERROR = 2,  /* fail with the errno */
};

/*
 * Where a TCP connection to `to` has to go. For ANSWER_MAPPED the agent dials meanwhile: *conversation is then open; ask it for the
 * verdict and close it. On ANSWER_ERROR errno is set.
 */
enum answer agent_map_tcp(const struct endpoint *to, bool non_blocking, struct endpoint *stand_in, int *conversation);

enum verdict {
    VERDICT_CONNECTED,
    VERDICT_FAILED,      /* errno says why */
    VERDICT_OUT_OF_TIME, /* not known yet */
    VERDICT_INTERRUPTED, /* a signal handler ran */
};

/* What became of the agent's dial; waits as long as `milliseconds`. */
enum verdict agent_verdict(int conversation, int milliseconds);

/*
 * Says which socket has come to the stand-in: the one with this local address. It is the program's proof that the connection is its own,
 * because everybody on the machine can reach a loopback address, and only its owner the agent's socket.
 */
void agent_claim(int conversation, const struct endpoint *local);

void agent_close(int conversation);

/* Where datagrams from `port` to `to` have to go. On ANSWER_ERROR errno is set. */
enum answer agent_map_udp(const struct endpoint *to, uint16_t port, struct endpoint *stand_in);

/* Whether a packet that is neither TCP nor UDP may go to the address as it is. Spoils errno. */
bool agent_is_direct(const struct endpoint *to);

/* The address that a stand-in stands for; false when the agent does not know it (any more). */
bool agent_real(const struct endpoint *stand_in, struct endpoint *real);

/* Why a program is outside the cluster although it was started inside; or what of it is. */
enum notice {
    NOTICE_STATIC = 1,
    NOTICE_RIGHTS = 2, /* setuid, setgid, capabilities */
    NOTICE_GO = 3,
    NOTICE_32_BIT = 4,
    NOTICE_PACKETS = 7, /* it is inside, but sends what the shim does not carry */
};

void agent_notice(enum notice notice, const char *path);

/* Name service, for musl. */
enum names_status {
    NAMES_OK = 0,
    NAMES_UNKNOWN = 1,   /* no such name */
    NAMES_TRY_AGAIN = 2, /* nobody answered */
    NAMES_NO_DATA = 3,   /* the name has nothing of that kind */
};

#define NAMES_MAX_ADDRESSES 64
#define NAMES_MAX_NAME 256

struct names_answer {
    int count;
    uint8_t addresses[NAMES_MAX_ADDRESSES][16];
    char canonical[NAMES_MAX_NAME];
};

/* Addresses of a name; family is AF_INET, AF_INET6 or AF_UNSPEC. */
enum names_status agent_lookup(const char *name, int family, struct names_answer *answer);

/* The name of an address, into answer->canonical. */
enum names_status agent_reverse(const uint8_t address[16], struct names_answer *answer);

/* One DNS message for another. Length of the whole answer, of which `size` bytes at most were written; -1 when there is none. */
int agent_query(const uint8_t *query, size_t length, uint8_t *answer, size_t size);

#endif
