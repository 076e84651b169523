/* What every hook is written with. See README.md for the procedure. */
#ifndef TELEPRESENCE_HOOK_H
#define TELEPRESENCE_HOOK_H

#include <dlfcn.h>
#include <stddef.h>

/*
 * HOOK(int, connect, (int fd, ...)) { ... } defines what the program's calls of connect() reach. The C name differs from the symbol, so
 * that the declarations of two C libraries cannot disagree with ours.
 */
#define HOOK(result, name, parameters)                                                                \
    result hook_##name parameters __asm__(#name) __attribute__((visibility("default")));              \
    result hook_##name parameters

/* The function that the program would have called without us: the next library's, which may be another preloaded one. */
#define REAL(name) ((__typeof__(&hook_##name)) real_function(REAL_##name))

/* The same with the type given, for functions that are called and not hooked here. */
#define REAL_AS(name, type) ((type) real_function(REAL_##name))

#define REAL_FUNCTIONS(X)                                                                             \
    X(connect) X(getpeername)                                                                         \
    X(sendto) X(sendmsg) X(sendmmsg) X(recvfrom) X(__recvfrom_chk) X(recvmsg) X(recvmmsg)                               \
    X(getaddrinfo) X(freeaddrinfo) X(getnameinfo)                                                     \
    X(gethostbyname) X(gethostbyname2) X(gethostbyname_r) X(gethostbyname2_r)                         \
    X(gethostbyaddr) X(gethostbyaddr_r)                                                               \
    X(res_query) X(res_search) X(res_querydomain) X(res_send) X(res_mkquery)                          \
    X(res_nquery) X(res_nsearch) X(res_nquerydomain) X(res_nsend)                                     \
    X(execve) X(execvpe) X(fexecve) X(execveat) X(posix_spawn) X(posix_spawnp)

enum real_name {
#define X(name) REAL_##name,
    REAL_FUNCTIONS(X)
#undef X
    REAL_COUNT
};

/* Null when no library of this process has it, which can only be when the program did not expect it either. */
void *real_function(enum real_name name);

/* Looks all of them up; called once, before the program runs. */
void real_settle(void);

#endif
