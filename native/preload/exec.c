/*
 * The exec and posix_spawn families: what a program of the tree starts belongs to the tree, also when it is given an environment from which
 * everything was removed (`env -i`, subprocess.run(env={...})).
 *
 *   LD_PRELOAD names our library          nothing to do
 *   LD_PRELOAD names others               ours is added behind them
 *   no LD_PRELOAD, our settings are there  somebody took it out on purpose (`env -u LD_PRELOAD`): respected, the way out of the tree
 *   neither is there                      both are added
 *
 * All of it on the stack: these functions run between vfork() and exec, where memory belongs to the parent.
 */
#define _GNU_SOURCE
#include "hook.h"
#include "inspect.h"
#include "settings.h"

#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PRELOAD "LD_PRELOAD="

/* An environment beyond this is handed on as it is. */
#define MOST 65536

extern char **environ;

enum call { CALL_EXECVE, CALL_EXECVPE, CALL_FEXECVE, CALL_EXECVEAT, CALL_SPAWN, CALL_SPAWNP };

struct start {
    enum call call;
    int fd, flags;
    const char *path;
    char *const *argv;
    pid_t *pid;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
};

HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]));
HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]));
HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]));
HOOK(int, execveat, (int fd, const char *path, char *const argv[], char *const envp[], int flags));
HOOK(int, posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
    char *const argv[], char *const envp[]));
HOOK(int, posix_spawnp, (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
    char *const argv[], char *const envp[]));

static int begin(const struct start *start, char *const envp[])
{
    switch (start->call) {
    case CALL_EXECVE:
        return REAL(execve)(start->path, start->argv, envp);
    case CALL_EXECVPE:
        return REAL(execvpe)(start->path, start->argv, envp);
    case CALL_FEXECVE:
        return REAL(fexecve)(start->fd, start->argv, envp);
    case CALL_EXECVEAT:
        return REAL(execveat)(start->fd, start->path, start->argv, envp, start->flags);
    case CALL_SPAWN:
        return REAL(posix_spawn)(start->pid, start->path, start->actions, start->attributes, start->argv, envp);
    default:
        return REAL(posix_spawnp)(start->pid, start->path, start->actions, start->attributes, start->argv, envp);
    }
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether a list of libraries, separated by spaces or colons, has ours. */
static bool names_library(const char *list)
{
    size_t length = strlen(settings.library);
    for (const char *at = list; (at = strstr(at, settings.library)) != NULL; at += length) {
        bool begins = at == list || at[-1] == ':' || at[-1] == ' ';
        bool ends = at[length] == '\0' || at[length] == ':' || at[length] == ' ';
        if (begins && ends)
            return true;
    }
    return false;
}

/* Starts it with our library behind those that the environment's entry number `at` names. */
static int begin_beside(const struct start *start, char *const envp[], size_t count, size_t at)
{
    char entry[strlen(envp[at]) + strlen(settings.library) + 2];
    char *fixed[count + 1];
    memcpy(fixed, envp, (count + 1) * sizeof *fixed);
    strcpy(entry, envp[at]);
    strcat(entry, ":");
    strcat(entry, settings.library);
    fixed[at] = entry;
    return begin(start, fixed);
}

static int begin_added(const struct start *start, char *const envp[], size_t count)
{
    char *fixed[count + 3];
    if (count > 0)
        memcpy(fixed, envp, count * sizeof *fixed);
    fixed[count] = settings.preload_entry;
    fixed[count + 1] = settings.entry;
    fixed[count + 2] = NULL;
    return begin(start, fixed);
}

static int begin_inside(const struct start *start, char *const envp[])
{
    size_t count = 0, preload = MOST;
    bool set = false;
    if (!settings.active)
        return begin(start, envp);
    if (start->call != CALL_FEXECVE && start->call != CALL_EXECVEAT)
        inspect_program(start->path);
    for (; envp != NULL && envp[count] != NULL && count < MOST; count++) {
        if (starts_with(envp[count], PRELOAD))
            preload = count;
        else if (starts_with(envp[count], SETTINGS_VARIABLE "="))
            set = true;
    }
    const char *list = preload < MOST ? envp[preload] + strlen(PRELOAD) : "";
    if (count >= MOST || (list[0] != '\0' && names_library(list) && set))
        return begin(start, envp);
    if (list[0] == '\0')
        return set || preload < MOST ? begin(start, envp) : begin_added(start, envp, count);
    if (set)
        return begin_beside(start, envp, count, preload);
    return begin(start, envp);
}

HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
    return begin_inside(&(struct start){ .call = CALL_EXECVE, .path = path, .argv = argv }, envp);
}

HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
    return begin_inside(&(struct start){ .call = CALL_EXECVPE, .path = file, .argv = argv }, envp);
}

HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
    return begin_inside(&(struct start){ .call = CALL_FEXECVE, .fd = fd, .argv = argv }, envp);
}

HOOK(int, execveat, (int fd, const char *path, char *const argv[], char *const envp[], int flags))
{
    return begin_inside(&(struct start){ .call = CALL_EXECVEAT, .fd = fd, .path = path, .argv = argv, .flags = flags }, envp);
}

HOOK(int, execv, (const char *path, char *const argv[]))
{
    return hook_execve(path, argv, environ);
}

HOOK(int, execvp, (const char *file, char *const argv[]))
{
    return hook_execvpe(file, argv, environ);
}

HOOK(int, posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
    char *const argv[], char *const envp[]))
{
    struct start start = { .call = CALL_SPAWN, .path = path, .argv = argv, .pid = pid, .actions = actions, .attributes = attributes };
    return begin_inside(&start, envp);
}

HOOK(int, posix_spawnp, (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
    char *const argv[], char *const envp[]))
{
    struct start start = { .call = CALL_SPAWNP, .path = file, .argv = argv, .pid = pid, .actions = actions, .attributes = attributes };
    return begin_inside(&start, envp);
}

/* execl() and its relatives have the arguments in the call; `list` stands behind the first. */
static size_t count_arguments(va_list list)
{
    size_t count = 1;
    while (va_arg(list, char *) != NULL)
        count++;
    return count;
}

static void take_arguments(char **argv, const char *first, size_t count, va_list *list)
{
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i <= count; i++)
        argv[i] = va_arg(*list, char *);
}

/* Declares argv and fills it with `first` and what follows it in the caller's own arguments, the ending null included. */
#define TAKE_ARGUMENTS(first)                                                                         \
    va_list list;                                                                                     \
    va_start(list, first);                                                                            \
    size_t count = first == NULL ? 0 : count_arguments(list);                                         \
    va_end(list);                                                                                     \
    char *argv[count + 1];                                                                            \
    va_start(list, first);                                                                            \
    take_arguments(argv, first, count, &list)

HOOK(int, execl, (const char *path, const char *first, ...))
{
    TAKE_ARGUMENTS(first);
    va_end(list);
    return hook_execve(path, argv, environ);
}

HOOK(int, execlp, (const char *file, const char *first, ...))
{
    TAKE_ARGUMENTS(first);
    va_end(list);
    return hook_execvpe(file, argv, environ);
}

HOOK(int, execle, (const char *path, const char *first, ...))
{
    TAKE_ARGUMENTS(first);
    char **envp = va_arg(list, char **);
    va_end(list);
    return hook_execve(path, argv, envp);
}
