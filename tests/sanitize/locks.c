/*
 * Tells ThreadSanitizer what the standard library's locks do.
 *
 * The standard library comes compiled, without instrumentation. Where a lock is free, taking it is
 * inlined into instrumented code, and seen; where it is not, the library's own code takes it in the
 * end, and that it then comes after whoever held it before goes unseen. The linker puts these
 * functions around that code (--wrap), and they say it. Giving a lock back is inlined always, but for
 * the one that a condition variable gives back.
 *
 * The names, which hold a hash of the compiler, are found and passed by tests/sanitize/cargo.
 */
#include <stdint.h>

extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define REAL(name) JOIN(__real_, name)
#define WRAP(name) JOIN(__wrap_, name)

extern void REAL(MUTEX_LOCK)(uint32_t *lock);
void WRAP(MUTEX_LOCK)(uint32_t *lock)
{
    REAL(MUTEX_LOCK)(lock);
    __tsan_acquire(lock);
}

/* Such a lock has two words, in whichever order. */
extern void REAL(RWLOCK_READ)(uint32_t *lock);
void WRAP(RWLOCK_READ)(uint32_t *lock)
{
    REAL(RWLOCK_READ)(lock);
    __tsan_acquire(lock);
    __tsan_acquire(lock + 1);
}

extern void REAL(RWLOCK_WRITE)(uint32_t *lock);
void WRAP(RWLOCK_WRITE)(uint32_t *lock)
{
    REAL(RWLOCK_WRITE)(lock);
    __tsan_acquire(lock);
    __tsan_acquire(lock + 1);
}

extern void REAL(CONDVAR_WAIT)(void *condvar, uint32_t *lock);
void WRAP(CONDVAR_WAIT)(void *condvar, uint32_t *lock)
{
    __tsan_release(lock);
    REAL(CONDVAR_WAIT)(condvar, lock);
    __tsan_acquire(lock);
}
