// Counts the allocations of the process that this is linked into: every call of malloc, calloc, realloc and of what gives aligned
// memory goes through here and then to glibc.
#ifndef C_ALLOCATION_COUNTS_H
#define C_ALLOCATION_COUNTS_H

#include <stdint.h>

// The allocations that all threads have made so far. A realloc counts as one.
uint64_t allocation_count(void);

// Whether the calls do go through here: false where the C library has no such entry points.
int allocation_counting_works(void);

#endif
