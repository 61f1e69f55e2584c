/*
 * What the programs in C have in common: how many allocations the library makes, and what ends a program that
 * has not come out right. Included once, by the program's own file: the functions are for the linker, which puts
 * them in the place of malloc and the others (--wrap).
 */
#ifndef COUNTED_H
#define COUNTED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t allocations, allocated_bytes;
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
    allocations++, allocated_bytes += size;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    allocations++, allocated_bytes += count * size;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    allocations++, allocated_bytes += size;
    return __real_realloc(old, size);
}

static void expect(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

#endif
