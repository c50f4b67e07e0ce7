#include "CAllocationCounts.h"

#include <errno.h>
#include <stdlib.h>

static __thread uint64_t count;

uint64_t allocation_count(void) { return count; }

#ifdef __GLIBC__

// A program's own malloc takes the place of the C library's for every library that it loads ("Replacing malloc" in glibc's
// manual). These are the names under which glibc keeps its own.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
  count++;
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count++;
  return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
  count++;
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  count++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count++;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  count++;
  void *result = __libc_memalign(alignment, size);
  if (result == NULL) return ENOMEM;
  *memory = result;
  return 0;
}

void free(void *memory) { __libc_free(memory); }

int allocation_counting_works(void) {
  uint64_t before = count;
  void *volatile memory = malloc(16);
  free(memory);
  return count != before;
}

#else

int allocation_counting_works(void) { return 0; }

#endif
