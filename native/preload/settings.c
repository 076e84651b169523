/*
 * TELEPRESENCE_PRELOAD=1;PREFIX;NAME-SERVER;PORT;HOSTS;LIBRARY;SOCKET
 *
 *   1;127.77;127.77.0.1;41953;files dns;/usr/local/lib/telepresence/preload/telepresence-preload.so;/run/user/1000/telepresence/x/agent
 *
 * HOSTS is what nsswitch.conf(5) would say for "hosts", for glibc. The socket's path stands last because it may contain anything.
 */
#define _GNU_SOURCE
#include "settings.h"
#include "hook.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELDS 7

struct settings settings;

/* glibc has them, musl does not; that is how the two are told apart. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));
extern int __nss_configure_lookup(const char *database, const char *services) __attribute__((weak));

/* Cuts the text at each of the first FIELDS - 1 semicolons. */
static bool split(char *text, char *fields[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = text;
        char *end = i < FIELDS - 1 ? strchr(text, ';') : NULL;
        if (i < FIELDS - 1) {
            if (end == NULL)
                return false;
            *end = '\0';
            text = end + 1;
        }
    }
    return true;
}

/* A port in decimal; 0 when it is none. strtol and its relatives have other names in newer C libraries. */
static unsigned parse_port(const char *text)
{
    unsigned value = 0;
    for (; *text >= '0' && *text <= '9' && value <= 65535; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return *text == '\0' && value <= 65535 ? value : 0;
}

static bool parse_prefix(const char *text, uint32_t *prefix)
{
    char address[24];
    struct in_addr parsed;
    if (strlen(text) > 7)
        return false;
    strcpy(address, text);
    strcat(address, ".0.0");
    if (inet_pton(AF_INET, address, &parsed) != 1)
        return false;
    *prefix = parsed.s_addr;
    return true;
}

static bool read_settings(const char *value)
{
    static char text[sizeof settings.entry];
    char *fields[FIELDS];
    size_t length = strlen(value);
    if (length + sizeof SETTINGS_VARIABLE + 1 > sizeof settings.entry)
        return false;
    memcpy(text, value, length + 1);
    if (!split(text, fields) || strcmp(fields[0], "1") != 0)
        return false;

    settings.names.sin_family = AF_INET;
    settings.names.sin_port = htons((uint16_t)parse_port(fields[3]));
    settings.agent.sun_family = AF_UNIX;
    if (!parse_prefix(fields[1], &settings.prefix) || inet_pton(AF_INET, fields[2], &settings.names.sin_addr) != 1
        || settings.names.sin_port == 0 || fields[5][0] == '\0' || strlen(fields[5]) + sizeof "LD_PRELOAD=" > sizeof settings.preload_entry
        || fields[6][0] != '/' || strlen(fields[6]) >= sizeof settings.agent.sun_path)
        return false;
    strcpy(settings.agent.sun_path, fields[6]);

    strcpy(settings.entry, SETTINGS_VARIABLE "=");
    strcat(settings.entry, value);
    strcpy(settings.preload_entry, "LD_PRELOAD=");
    strcat(settings.preload_entry, fields[5]);
    settings.library = settings.preload_entry + sizeof "LD_PRELOAD=" - 1;

    /* Name services that would ask around the agent (systemd-resolved, nscd, mDNS for .local) are left out in this process. */
    settings.glibc = gnu_get_libc_version != NULL;
    if (settings.glibc && __nss_configure_lookup != NULL && fields[4][0] != '\0')
        __nss_configure_lookup("hosts", fields[4]);
    return true;
}

__attribute__((constructor)) static void settle(void)
{
    static const char complaint[] = "telepresence: " SETTINGS_VARIABLE " is not understood; this program stays outside the cluster.\n";
    real_settle();
    const char *value = getenv(SETTINGS_VARIABLE);
    if (value == NULL)
        return;
    if (read_settings(value))
        settings.active = true;
    else if (write(STDERR_FILENO, complaint, sizeof complaint - 1) < 0)
        return;
}
