#pragma once
// sched_setattr(2), for which glibc has a function since 2.41 only.
#ifdef __linux__
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// sched_setattr(2), "The sched_attr argument".
struct weir_sched_attr {
  uint32_t size;
  uint32_t sched_policy;
  uint64_t sched_flags;
  int32_t sched_nice;
  uint32_t sched_priority;
  uint64_t sched_runtime;
  uint64_t sched_deadline;
  uint64_t sched_period;
};

// Asks for a time slice for a thread (0: the calling one) that is scheduled in the usual way; leaves all others, and the thread's
// nice value, as they are. 0, or errno.
static inline int weir_set_time_slice(int thread, uint64_t nanoseconds) {
  struct weir_sched_attr attributes = {0};
  if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) != 0) return errno;
  if (attributes.sched_policy != 0) return 0;
  attributes.sched_runtime = nanoseconds;
  return syscall(SYS_sched_setattr, thread, &attributes, 0) == 0 ? 0 : errno;
}

// The thread's time slice; 0 if the kernel does not say.
static inline uint64_t weir_time_slice(int thread) {
  struct weir_sched_attr attributes = {0};
  return syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) == 0 ? attributes.sched_runtime : 0;
}
#else
#include <stdint.h>
static inline int weir_set_time_slice(int thread, uint64_t nanoseconds) { return 0; }
static inline uint64_t weir_time_slice(int thread) { return 0; }
#endif
