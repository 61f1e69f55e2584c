/*
 * What the header promises about threads, for ThreadSanitizer to watch, and for everybody else to
 * see that what comes out is right.
 */
#ifndef THREADS_H
#define THREADS_H

/* Runs the tests of threads on storages of this kind, durable ones in directories below `base`. */
void run_thread_tests(int durable, const char *base);

#endif
