/*
 * The loader takes no LD_PRELOAD for a program that has no loader, or that is given rights by its file; and one of the Go compiler does not
 * call the C library. The agent is told the file's name and says so once to whoever started the session; the program itself is started
 * as always.
 *
 * Runs between vfork() and exec: system calls and the stack only.
 */
#define _GNU_SOURCE
#include "inspect.h"
#include "agent.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_SEGMENTS 64
#define MOST_NOTES 512
#define MOST_PATH 4096

/* A script's interpreter may be a script. */
#define MOST_SCRIPTS 4

/* File capabilities, see capabilities(7). Root has all of them already. */
static bool has_capabilities(int fd)
{
    return syscall(SYS_geteuid) != 0 && syscall(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

/* setuid and setgid, when they give this process something that it does not have. */
static bool changes_user(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    bool user = (status.st_mode & S_ISUID) != 0 && status.st_uid != (uid_t)syscall(SYS_getuid);
    bool group = (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != (gid_t)syscall(SYS_getgid);
    return user || group;
}

static long read_at(int fd, void *buffer, size_t size, long offset)
{
    return syscall(SYS_pread64, fd, buffer, size, offset);
}

/* The Go linker leaves a note by the name "Go". */
static bool has_go_note(int fd, const Elf64_Phdr *segment)
{
    unsigned char notes[MOST_NOTES];
    size_t size = segment->p_filesz < sizeof notes ? segment->p_filesz : sizeof notes;
    long length = read_at(fd, notes, size, (long)segment->p_offset);
    for (long at = 0; at + 16 <= length;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        if (note.n_namesz == 4 && memcmp(notes + at + sizeof note, "Go\0\0", 4) == 0)
            return true;
        if (note.n_namesz > sizeof notes || note.n_descsz > sizeof notes)
            return false;
        at += (long)sizeof note + ((note.n_namesz + 3) & ~3u) + ((note.n_descsz + 3) & ~3u);
    }
    return false;
}

/* What is wrong with a 64-bit ELF file; 0 for nothing. */
static int inspect_segments(int fd, const Elf64_Ehdr *header)
{
    Elf64_Phdr segments[MOST_SEGMENTS];
    if (header->e_phentsize != sizeof *segments || header->e_phnum > MOST_SEGMENTS || (header->e_type != ET_EXEC && header->e_type != ET_DYN))
        return 0;
    size_t size = header->e_phnum * sizeof *segments;
    if (read_at(fd, segments, size, (long)header->e_phoff) != (long)size)
        return 0;
    bool dynamic = false, go = false;
    for (int i = 0; i < header->e_phnum; i++) {
        dynamic |= segments[i].p_type == PT_INTERP;
        go |= segments[i].p_type == PT_NOTE && has_go_note(fd, &segments[i]);
    }
    return go ? NOTICE_GO : dynamic ? 0 : NOTICE_STATIC;
}

/* The loader itself, which may be called by its name, has no loader. */
static bool is_loader(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name != NULL ? name + 1 : path;
    return strncmp(name, "ld-", 3) == 0 || strncmp(name, "ld.so", 5) == 0;
}

/* What is wrong with a file; 0 for nothing, -1 for a script, whose interpreter is then in `path`. */
static int inspect_file(char *path)
{
    union {
        Elf64_Ehdr elf;
        char text[256];
    } start;
    int notice = 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    long length = read_at(fd, &start, sizeof start - 1, 0);
    if (length > 2 && start.text[0] == '#' && start.text[1] == '!') {
        start.text[length] = '\0';
        const char *from = start.text + 2 + strspn(start.text + 2, " \t");
        size_t size = strcspn(from, " \t\r\n");
        memcpy(path, from, size);
        path[size] = '\0';
        notice = size > 0 ? -1 : 0;
    } else if (length >= (long)sizeof start.elf && memcmp(start.elf.e_ident, ELFMAG, SELFMAG) == 0) {
        if (changes_user(fd) || has_capabilities(fd))
            notice = NOTICE_RIGHTS;
        else if (start.elf.e_ident[EI_CLASS] == ELFCLASS32)
            notice = NOTICE_32_BIT;
        else if (!is_loader(path))
            notice = inspect_segments(fd, &start.elf);
    }
    syscall(SYS_close, fd);
    return notice;
}

static const char *find_variable(char *const envp[], const char *name)
{
    size_t length = strlen(name);
    for (; envp != NULL && *envp != NULL; envp++) {
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
            return *envp + length + 1;
    }
    return NULL;
}

/* The first program of that name in PATH. */
static bool find_program(const char *name, const char *list, char path[MOST_PATH])
{
    size_t name_length = strlen(name);
    while (list != NULL) {
        size_t length = strcspn(list, ":");
        if (length + name_length + 2 <= MOST_PATH) {
            memcpy(path, list, length);
            if (length > 0)
                path[length++] = '/';
            memcpy(path + length, name, name_length + 1);
            if (syscall(SYS_faccessat, AT_FDCWD, path, X_OK) == 0)
                return true;
        }
        list = strchr(list, ':');
        if (list != NULL)
            list++;
    }
    return false;
}

void inspect_program(const char *name)
{
    extern char **environ;
    char path[MOST_PATH];
    int saved = errno;
    size_t length = name != NULL ? strlen(name) : 0;
    if (length == 0 || length >= sizeof path)
        return;
    memcpy(path, name, length + 1);

    /* execvp() and its like look in this process's PATH, whatever environment the program gets. */
    if (strchr(name, '/') == NULL && !find_program(name, find_variable(environ, "PATH"), path)) {
        errno = saved;
        return;
    }
    int notice = -1;
    for (int i = 0; i < MOST_SCRIPTS && notice < 0; i++)
        notice = inspect_file(path);
    if (notice > 0)
        agent_notice((enum notice)notice, path);
    errno = saved;
}
