/*
 * See layer.h. Each function decides what becomes of a call, and then makes the real one.
 */
#define _GNU_SOURCE
#include "layer.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int armed;
static enum layer_fault fault;
static long at;
static long calls;
static int hit;

void layer_arm(enum layer_fault which, long call)
{
    fault = which;
    at = call;
    calls = 0;
    hit = 0;
    armed = 1;
}

long layer_disarm(void)
{
    armed = 0;
    return calls;
}

int layer_hit(void)
{
    return hit;
}

enum kind { READS = 1, WRITES = 2, MAKES = 4, INTERRUPTIBLE = 8, PARTS = 16 };

/* Whether a call of that kind may go on; sets errno otherwise. With *part, it is done by half. */
static int allowed(int kind, int *part)
{
    long number;
    int now, later, changes;

    *part = 0;
    if (!armed)
        return 1;
    number = calls++;
    now = number == at;
    later = number > at;
    changes = (kind & (WRITES | MAKES)) != 0;
    switch (fault) {
    case LAYER_EIO_ONCE:
    case LAYER_EIO:
        if (!now && !(later && fault == LAYER_EIO))
            return 1;
        errno = EIO;
        break;
    case LAYER_ENOSPC:
    case LAYER_EROFS:
        if (!(now || later) || !changes)
            return 1;
        errno = fault == LAYER_EROFS ? EROFS : ENOSPC;
        break;
    case LAYER_EINTR:
        if (!now || !(kind & INTERRUPTIBLE))
            return 1;
        errno = EINTR;
        break;
    case LAYER_SHORT:
        if (now && (kind & PARTS))
            hit = *part = 1;
        return 1;
    case LAYER_KILL_HALF:
        if (now && (kind & PARTS) && (kind & WRITES))
            hit = *part = 1;
        return 1;
    case LAYER_KILL:
        if (now)
            raise(SIGKILL);
        return 1;
    default:
        return 1;
    }
    hit = 1;
    return 0;
}

/* The C library's own function of that name. */
static void find(const char *name, void *place)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(place, &symbol, sizeof(symbol));
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...);
    int part;

    find(name, &real);
    if (!allowed((flags & O_CREAT ? MAKES : READS) | INTERRUPTIBLE, &part))
        return -1;
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_as("open64", path, flags, mode);
}

ssize_t pread64(int file, void *bytes, size_t len, off64_t offset)
{
    ssize_t (*real)(int, void *, size_t, off64_t);
    int part;

    find("pread64", &real);
    if (!allowed(READS | INTERRUPTIBLE | PARTS, &part))
        return -1;
    return real(file, bytes, part && len > 1 ? len / 2 : len, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t len, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t), written;
    int part;

    find("pwrite64", &real);
    if (!allowed(WRITES | INTERRUPTIBLE | PARTS, &part))
        return -1;
    written = real(file, bytes, part && len > 1 ? len / 2 : len, offset);
    if (part && fault == LAYER_KILL_HALF)
        raise(SIGKILL);
    return written;
}

#define WITH_FILE(name, kind)                \
    int name(int file)                       \
    {                                        \
        int (*real)(int), part;              \
        find(#name, &real);                  \
        if (!allowed((kind), &part))         \
            return -1;                       \
        return real(file);                   \
    }

WITH_FILE(fsync, WRITES | INTERRUPTIBLE)
WITH_FILE(fdatasync, WRITES | INTERRUPTIBLE)

int ftruncate64(int file, off64_t len)
{
    int (*real)(int, off64_t), part;

    find("ftruncate64", &real);
    if (!allowed(WRITES | INTERRUPTIBLE, &part))
        return -1;
    return real(file, len);
}

int flock(int file, int operation)
{
    int (*real)(int, int), part;

    find("flock", &real);
    if (!allowed(READS | INTERRUPTIBLE, &part))
        return -1;
    return real(file, operation);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *), part;

    find("rename", &real);
    if (!allowed(MAKES, &part))
        return -1;
    return real(from, to);
}

int unlink(const char *path)
{
    int (*real)(const char *), part;

    find("unlink", &real);
    if (!allowed(WRITES, &part))
        return -1;
    return real(path);
}

int mkdir(const char *path, mode_t mode)
{
    int (*real)(const char *, mode_t), part;

    find("mkdir", &real);
    if (!allowed(MAKES, &part))
        return -1;
    return real(path, mode);
}
