/* Recordings, as a C program makes and replays them. */
#ifndef RECORDING_H
#define RECORDING_H

void replays_what_it_has_recorded(void);

#endif
