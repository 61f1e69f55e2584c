/*
 * Prints where each field of each public struct lies. Programs that were compiled against the
 * header rely on that, so that a change is a new ABI version: layout.txt has the committed
 * numbers, for 64 bits.
 */
#include <stdio.h>

#include "libraft.h"

#define SIZE(type) printf("%s %d\n", #type, (int)sizeof(type))
#define FIELD(type, field) \
    printf("    %s %d %d\n", #field, (int)offsetof(type, field), (int)sizeof(((type *)0)->field))

int main(void)
{
#include "fields.inc"
    return 0;
}
