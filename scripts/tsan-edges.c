// What Swift 6.3 on Linux does not tell the thread sanitizer, and so would be reported as races. Loaded before the tests
// (LD_PRELOAD) by scripts/run-sanitized; nothing is suppressed by it. Each of these is an order of events that the language
// guarantees, in a library that is not built with the sanitizer:
//
// - Synchronization.Mutex: a thread that had to wait for the lock has it from the one that gave it up. (Without a wait both
//   ends are inlined into the program, and are seen.)
// - Tasks: Swift's runtime has calls for it, but is told of the sanitizer on Apple's systems only (__tsan_on_initialize).
// - Continuations that are resumed before the task waits for them: the task goes on at once, without a call of those.
//
// scripts/tsan-edges-check.swift has a program for each: without this there are 60 to 80 reports where four threads count under
// one Mutex, and one for each access where a continuation is resumed with a new object; with this there are none. Its race, which
// is one, is reported either way. `scripts/run-sanitized thread` begins with these.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

// Of the sanitizer: there in programs that are built with it, and this is loaded into others too.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));
// Of Swift's runtime.
extern void *swift_task_getCurrent(void) __attribute__((weak));

__attribute__((constructor)) static void tell_runtime(void) {
  if (!__tsan_acquire) return;
  void (*on_initialize)(void) = dlsym(RTLD_DEFAULT, "__tsan_on_initialize");
  if (on_initialize) on_initialize();
}

// Mutex, with Swift's calling convention: self is the address of the lock, which is what the inlined parts name to the sanitizer.
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void lock_slow(uint32_t thread, SELF) {
  static SWIFT void (*original)(uint32_t, SELF);
  if (!original) original = dlsym(RTLD_NEXT, LOCK);
  original(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT void unlock_slow(SELF) __asm__(UNLOCK);
SWIFT void unlock_slow(SELF) {
  static SWIFT void (*original)(SELF);
  if (!original) original = dlsym(RTLD_NEXT, UNLOCK);
  if (__tsan_release) __tsan_release(self);
  original(self);
}

// A resumed continuation releases its task; here the task acquires that, when it does not have to wait,
__attribute__((swiftasynccall)) void swift_continuation_await(void *context) {
  static __attribute__((swiftasynccall)) void (*original)(void *);
  if (!original) original = dlsym(RTLD_NEXT, "swift_continuation_await");
  if (__tsan_acquire && swift_task_getCurrent) __tsan_acquire(swift_task_getCurrent());
  __attribute__((musttail)) return original(context);
}

// or is resumed while it prepares to.
void swift_task_enterThreadLocalContext(char *state) {
  static void (*original)(char *);
  if (!original) original = dlsym(RTLD_NEXT, "swift_task_enterThreadLocalContext");
  if (original) original(state);
  void *task = __tsan_acquire && swift_task_getCurrent ? swift_task_getCurrent() : NULL;
  if (task) __tsan_acquire(task);
}
