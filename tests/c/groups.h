/* Hosts of many groups, as examples/groups/host.h has them. */
#ifndef GROUPS_H
#define GROUPS_H

void leaves_groups_alone_until_they_are_due(void);
void ticks_an_array_of_nodes(void);

#endif
