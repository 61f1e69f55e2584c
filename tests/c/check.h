/*
 * A small test harness: tests are functions, checks are counted by test, and the last
 * line of output says `N passed, M failed`.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "libraft.h"

extern int check_failures; /* of the test that runs */
extern int check_passed;
extern int check_failed;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            check_failures++;                                                     \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);      \
        }                                                                         \
    } while (0)

#define CHECK_EQ(left, right)                                                     \
    do {                                                                          \
        unsigned long long left_ = (left), right_ = (right);                      \
        if (left_ != right_) {                                                    \
            check_failures++;                                                     \
            printf("%s:%d: %s is %llu, and %s is %llu\n", __FILE__, __LINE__,     \
                   #left, left_, #right, right_);                                 \
        }                                                                         \
    } while (0)

/* A call that has to succeed, since nothing that follows makes sense otherwise. It may use
 * `&error` for its last argument. */
#define OK(call)                                                                  \
    do {                                                                          \
        raft_error *error = NULL;                                                 \
        raft_status status_ = (call);                                             \
        if (status_ != RAFT_OK || error != NULL) {                                \
            printf("%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call,              \
                   raft_status_name(status_), raft_error_message(error));         \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

/* A call that has to fail with this code, and with an error that says the same. */
#define FAILS(code, call)                                                         \
    do {                                                                          \
        raft_error *error = NULL;                                                 \
        raft_status status_ = (call);                                             \
        if (status_ != (code)) {                                                  \
            check_failures++;                                                     \
            printf("%s:%d: %s: %s instead of %s: %s\n", __FILE__, __LINE__,       \
                   #call, raft_status_name(status_), #code,                       \
                   raft_error_message(error));                                    \
        }                                                                         \
        CHECK_EQ(raft_error_code(error), status_);                                \
        CHECK(raft_error_message(error)[0] != '\0');                              \
        raft_error_free(error);                                                   \
    } while (0)

#define RUN(test, label)                                                          \
    do {                                                                          \
        check_failures = 0;                                                       \
        test;                                                                     \
        if (check_failures == 0) {                                                \
            check_passed++;                                                       \
        } else {                                                                  \
            check_failed++;                                                       \
        }                                                                         \
        printf("%s %s (%s)\n", check_failures == 0 ? "ok    " : "FAILED", #test,  \
               label);                                                            \
        fflush(stdout);                                                           \
    } while (0)

/* Prints the last line, and returns what main() returns. */
int check_summary(void);

#endif
