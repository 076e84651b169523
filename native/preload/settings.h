/* What the agent has told this process through its environment. */
#ifndef TELEPRESENCE_SETTINGS_H
#define TELEPRESENCE_SETTINGS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define SETTINGS_VARIABLE "TELEPRESENCE_PRELOAD"

struct settings {
    /* Whether hooks act at all: false until the constructor has run, and in a process that got no settings. */
    bool active;
    /* Whether the process runs on glibc; otherwise on musl. */
    bool glibc;
    /* The agent's socket. */
    struct sockaddr_un agent;
    /* Loopback addresses that stand for remote ones begin with these 16 bits; network order, the rest zero. */
    uint32_t prefix;
    /* The agent's name server. */
    struct sockaddr_in names;
    /* "TELEPRESENCE_PRELOAD=..." and "LD_PRELOAD=..." as a program with an empty environment must get them; the library's path. */
    char entry[1024];
    char preload_entry[512];
    const char *library;
};

/* Written by the constructor alone, before the program's first instruction. */
extern struct settings settings;

#endif
