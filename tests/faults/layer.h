/*
 * The system's calls on files, counted from some moment on, of which one fails. They are the ones
 * that the library makes: the program that links layer.c has them in place of the C library's.
 */
#ifndef LAYER_H
#define LAYER_H

enum layer_fault {
    LAYER_NONE,
    LAYER_EIO_ONCE,  /* fails, once */
    LAYER_EIO,       /* this one fails, and all later ones */
    LAYER_ENOSPC,    /* this one, and all later ones that write or make something */
    LAYER_EROFS,     /* the same */
    LAYER_SHORT,     /* writes or reads only a part of it, once, which is no failure */
    LAYER_EINTR,     /* is interrupted, once, which is no failure where it may be */
    LAYER_KILL,      /* the process is killed before it */
    LAYER_KILL_HALF, /* the process is killed when half of it is written */
    LAYER_FAULTS
};

/* From now on calls are counted, and call number `at`, from 0, goes wrong. */
void layer_arm(enum layer_fault fault, long at);

/* All goes well from now on. Returns how many calls there were. */
long layer_disarm(void);

/* Whether the call number `at` was one to which the fault applies. */
int layer_hit(void);

#endif
