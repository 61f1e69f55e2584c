/* Workloads that are about time: tick_N and rest_N. */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the nodes of a workload, and warms up; how many there are, or 0 if no such one has that name. */
uint64_t ticks_start(const char *name, bool best);
/* The measured part; how many operations it was. */
uint64_t ticks_run(const char *name, bool best);
/* What has to be done between two of them and is not measured. */
void ticks_pause(const char *name);
/* Whether all is as it should be; frees the nodes. */
bool ticks_check(void);

#endif
