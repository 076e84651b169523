#define _GNU_SOURCE
#include "agent.h"
#include "settings.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { ASK_TCP = 1, ASK_UDP = 2, ASK_REAL = 3, ASK_LOOKUP = 4, ASK_REVERSE = 5, ASK_QUERY = 6, CLAIM = 7, NOTICE = 8, ASK_OTHER = 9 };

enum { FLAG_NON_BLOCKING = 1 };

#define HEADER 4
#define ENDPOINT_MESSAGE (HEADER + 16)

/* The agent's loop answers mappings at once; when it does not in this time, something is wrong with it. */
#define MAPPING_PATIENCE 10000

/* The resolver gives up sooner. */
#define NAMES_PATIENCE 30000

static long milliseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* poll(2) without libc: ppoll exists on every architecture. */
static int wait_readable(int fd, int milliseconds)
{
    struct pollfd wanted = { .fd = fd, .events = POLLIN };
    struct timespec limit = { .tv_sec = milliseconds / 1000, .tv_nsec = (milliseconds % 1000) * 1000000L };
    return (int)syscall(SYS_ppoll, &wanted, 1, milliseconds < 0 ? NULL : &limit, NULL, 0);
}

/* Waits for a message as long as `milliseconds`, over any signals. Its length, 0 for none. */
static long receive(int fd, void *message, size_t size, int milliseconds)
{
    long deadline = milliseconds_now() + milliseconds;
    for (;;) {
        long left = deadline - milliseconds_now();
        if (left <= 0)
            return 0;
        int ready = wait_readable(fd, (int)left);
        if (ready == 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return 0;
        if (ready < 0)
            continue;
        long length = syscall(SYS_recvfrom, fd, message, size, MSG_DONTWAIT, NULL, NULL);
        if (length >= 0)
            return length;
        if (errno != EAGAIN && errno != EINTR)
            return 0;
    }
}

/* Connects to the agent and sends one message of two parts. Descriptor or -1. */
static int ask(const void *head, size_t head_length, const void *tail, size_t tail_length)
{
    int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    long done;
    do {
        done = syscall(SYS_connect, fd, &settings.agent, sizeof settings.agent);
    } while (done < 0 && errno == EINTR);
    if (done == 0) {
        struct iovec parts[2] = { { (void *)(uintptr_t)head, head_length }, { (void *)(uintptr_t)tail, tail_length } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = tail_length > 0 ? 2 : 1 };
        do {
            done = syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
        } while (done < 0 && errno == EINTR);
    }
    if (done < 0) {
        agent_close(fd);
        return -1;
    }
    return fd;
}

static void write_endpoint(uint8_t message[ENDPOINT_MESSAGE], int kind, int flags, const struct endpoint *endpoint)
{
    message[0] = (uint8_t)kind;
    message[1] = (uint8_t)flags;
    message[2] = (uint8_t)(endpoint->port >> 8);
    message[3] = (uint8_t)endpoint->port;
    memcpy(message + HEADER, endpoint->address, 16);
}

/* Sends a question about an endpoint and reads the answer to it. The conversation stays open. */
static enum answer converse(int kind, int flags, const struct endpoint *endpoint, uint16_t port, struct endpoint *answer, int *conversation)
{
    uint8_t message[ENDPOINT_MESSAGE];
    const uint8_t local[2] = { (uint8_t)(port >> 8), (uint8_t)port };
    write_endpoint(message, kind, flags, endpoint);
    *conversation = ask(message, sizeof message, local, port != 0 ? sizeof local : 0);
    if (*conversation < 0) {
        /* No agent: the session is over, and what it led to cannot be reached. Full descriptor tables are told as what they are. */
        if (errno != EMFILE && errno != ENFILE)
            errno = ENETUNREACH;
        return ANSWER_ERROR;
    }

    long length = receive(*conversation, message, sizeof message, MAPPING_PATIENCE);
    if (length == sizeof message && message[0] == ANSWER_MAPPED) {
        memcpy(answer->address, message + HEADER, 16);
        answer->port = (uint16_t)(message[2] << 8 | message[3]);
        return ANSWER_MAPPED;
    }
    if (length >= HEADER && message[0] == ANSWER_DIRECT)
        return ANSWER_DIRECT;
    errno = length >= HEADER && message[0] == ANSWER_ERROR && message[1] != 0 ? message[1] : ENETUNREACH;
    return ANSWER_ERROR;
}

void agent_close(int conversation)
{
    int saved = errno;
    if (conversation >= 0)
        syscall(SYS_close, conversation);
    errno = saved;
}

enum answer agent_map_tcp(const struct endpoint *to, bool non_blocking, struct endpoint *stand_in, int *conversation)
{
    enum answer answer = converse(ASK_TCP, non_blocking ? FLAG_NON_BLOCKING : 0, to, 0, stand_in, conversation);
    if (answer != ANSWER_MAPPED) {
        agent_close(*conversation);
        *conversation = -1;
    }
    return answer;
}

enum verdict agent_verdict(int conversation, int milliseconds)
{
    int ready = wait_readable(conversation, milliseconds);
    if (ready == 0)
        return VERDICT_OUT_OF_TIME;
    if (ready < 0)
        return VERDICT_INTERRUPTED;
    uint8_t message[HEADER];
    long length = syscall(SYS_recvfrom, conversation, message, sizeof message, MSG_DONTWAIT, NULL, NULL);
    if (length >= 2 && message[0] == ANSWER_MAPPED)
        return VERDICT_CONNECTED;
    errno = length >= 2 && message[1] != 0 ? message[1] : ENETUNREACH;
    return VERDICT_FAILED;
}

void agent_claim(int conversation, const struct endpoint *local)
{
    uint8_t message[ENDPOINT_MESSAGE];
    write_endpoint(message, CLAIM, 0, local);
    long sent;
    do {
        sent = syscall(SYS_sendto, conversation, message, sizeof message, MSG_NOSIGNAL, NULL, 0);
    } while (sent < 0 && errno == EINTR);
}

enum answer agent_map_udp(const struct endpoint *to, uint16_t port, struct endpoint *stand_in)
{
    int conversation;
    enum answer answer = converse(ASK_UDP, 0, to, port, stand_in, &conversation);
    agent_close(conversation);
    return answer;
}

bool agent_is_direct(const struct endpoint *to)
{
    struct endpoint unused;
    int conversation;
    enum answer answer = converse(ASK_OTHER, 0, to, 0, &unused, &conversation);
    agent_close(conversation);
    return answer == ANSWER_DIRECT;
}

bool agent_real(const struct endpoint *stand_in, struct endpoint *real)
{
    int saved = errno, conversation;
    enum answer answer = converse(ASK_REAL, 0, stand_in, 0, real, &conversation);
    agent_close(conversation);
    errno = saved;
    return answer == ANSWER_MAPPED;
}

void agent_notice(enum notice notice, const char *path)
{
    const uint8_t head[HEADER] = { NOTICE, (uint8_t)notice, 0, 0 };
    agent_close(ask(head, sizeof head, path, strlen(path)));
}

/* Sends a question about names and reads the answer. Length of what follows the header, of which at most `size` bytes were written. */
static enum names_status ask_names(int kind, int flag, const void *what, size_t what_length, uint8_t head[HEADER], void *answer, size_t size,
    size_t *length)
{
    uint8_t question[HEADER] = { (uint8_t)kind, (uint8_t)flag, 0, 0 };
    int conversation = ask(question, sizeof question, what, what_length);
    if (conversation < 0)
        return NAMES_TRY_AGAIN;
    struct iovec parts[2] = { { head, HEADER }, { answer, size } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    long received = 0;
    long deadline = milliseconds_now() + NAMES_PATIENCE;
    for (;;) {
        long left = deadline - milliseconds_now();
        int ready = left <= 0 ? 0 : wait_readable(conversation, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready > 0)
            received = syscall(SYS_recvmsg, conversation, &message, MSG_DONTWAIT | MSG_TRUNC);
        break;
    }
    agent_close(conversation);
    if (received < HEADER || head[0] != ANSWER_MAPPED || head[1] > NAMES_NO_DATA)
        return NAMES_TRY_AGAIN;
    *length = (size_t)received - HEADER;
    return (enum names_status)head[1];
}

/* The rest of a message is the canonical name. */
static void take_name(struct names_answer *answer, const uint8_t *from, size_t length)
{
    if (length >= sizeof answer->canonical)
        length = sizeof answer->canonical - 1;
    memcpy(answer->canonical, from, length);
    answer->canonical[length] = '\0';
}

enum names_status agent_lookup(const char *name, int family, struct names_answer *answer)
{
    uint8_t head[HEADER], body[NAMES_MAX_ADDRESSES * 16 + NAMES_MAX_NAME];
    size_t length;
    size_t name_length = strlen(name);
    if (name_length == 0 || name_length >= NAMES_MAX_NAME)
        return NAMES_UNKNOWN;
    int which = family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
    enum names_status status = ask_names(ASK_LOOKUP, which, name, name_length, head, body, sizeof body, &length);
    if (status != NAMES_OK)
        return status;
    size_t count = (size_t)(head[2] << 8 | head[3]);
    if (count == 0 || count > NAMES_MAX_ADDRESSES || length > sizeof body || count * 16 > length)
        return NAMES_TRY_AGAIN;
    answer->count = (int)count;
    memcpy(answer->addresses, body, count * 16);
    take_name(answer, body + count * 16, length - count * 16);
    return NAMES_OK;
}

enum names_status agent_reverse(const uint8_t address[16], struct names_answer *answer)
{
    uint8_t head[HEADER], body[NAMES_MAX_NAME];
    size_t length;
    enum names_status status = ask_names(ASK_REVERSE, 0, address, 16, head, body, sizeof body, &length);
    if (status != NAMES_OK)
        return status;
    if (length == 0 || length > sizeof body)
        return NAMES_TRY_AGAIN;
    answer->count = 0;
    take_name(answer, body, length);
    return NAMES_OK;
}

int agent_query(const uint8_t *query, size_t length, uint8_t *answer, size_t size)
{
    uint8_t head[HEADER];
    size_t answer_length;
    enum names_status status = ask_names(ASK_QUERY, 0, query, length, head, answer, size, &answer_length);
    return status == NAMES_OK ? (int)answer_length : -1;
}
