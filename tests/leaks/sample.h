/*
 * What a process holds at one moment, for the leak tests in C and C++. It prints; what is too much
 * is for tests/leaks/run to say. Linux and glibc only.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The entries of a directory of /proc, without those that stand for directories. */
static unsigned long sample_count(const char *path)
{
    unsigned long count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

static unsigned long sample_rss_kib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2) {
        perror("/proc/self/statm");
        exit(1);
    }
    fclose(file);
    return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

/* One line of the output. The descriptor that lists the others is among them each time. */
static void sample(const char *phase, unsigned long done)
{
    struct mallinfo2 heap = mallinfo2();
    printf("sample %s done=%lu bytes=%zu rss_kib=%lu descriptors=%lu threads=%lu\n", phase, done,
           heap.uordblks + heap.hblkhd, sample_rss_kib(), sample_count("/proc/self/fd"),
           sample_count("/proc/self/task"));
    fflush(stdout);
}

#endif
