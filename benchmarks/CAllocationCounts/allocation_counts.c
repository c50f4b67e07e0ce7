#include "CAllocationCounts.h"

#include <errno.h>
#include <stdlib.h>

// A counter for each thread, in a cache line of its own, so that counting costs no thread the line of another. More threads than
// places share them, and may lose a count then.
enum { PLACES = 64 };
static struct {
  _Alignas(64) uint64_t count;
} places[PLACES];

uint64_t allocation_count(void) {
  uint64_t sum = 0;
  for (int index = 0; index < PLACES; index++) sum += __atomic_load_n(&places[index].count, __ATOMIC_RELAXED);
  return sum;
}

#ifdef __GLIBC__

static uint32_t threads;
static __thread uint32_t place_of_thread;

static void note(void) {
  if (place_of_thread == 0) place_of_thread = 1 + __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED) % PLACES;
  uint64_t *count = &places[place_of_thread - 1].count;
  __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

// A program's own malloc takes the place of the C library's for every library that it loads ("Replacing malloc" in glibc's
// manual). These are the names under which glibc keeps its own.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  note();
  return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
  note();
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  note();
  void *result = __libc_memalign(alignment, size);
  if (result == NULL) return ENOMEM;
  *memory = result;
  return 0;
}

void free(void *memory) { __libc_free(memory); }

int allocation_counting_works(void) {
  uint64_t before = allocation_count();
  void *volatile memory = malloc(16);
  free(memory);
  return allocation_count() != before;
}

#else

int allocation_counting_works(void) { return 0; }

#endif
