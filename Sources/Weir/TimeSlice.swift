internal import CTimeSlice
internal import Foundation

/// How long a thread keeps a processor from others that wake up.
///
/// A change passes through a thread that reads files, one that compiles, and the event loop of each proxy, and each of them has to
/// be given a processor first. Linux lets a thread that was just given one keep it for its slice, from 0.7 ms upwards with the
/// number of processors, and if that is not over when the other wakes up, often until the next tick, 4 ms: so busy
/// loops make an update late that is a few microseconds of work. Since Linux 6.12 a thread may ask for a shorter slice, which
/// costs it nothing of its share of the time (sched_setattr(2), `sched_runtime`; earlier kernels ignore it).
package enum TimeSlice {
  /// The shortest that there is (0.1 ms).
  static let nanoseconds: UInt64 = 100_000

  /// Of the calling thread, and of those that it starts. Returns what went wrong (`errno`).
  @Sendable static func shorten() -> CInt? { shorten(thread: 0) }

  /// Of all threads of the process, and of those that they start: for a process that has nothing else to do.
  package static func shortenAll() {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    for thread in threads.compactMap({ CInt($0) }) { _ = shorten(thread: thread) }
  }

  /// Of the calling thread; nil if the kernel has no slices of a thread's own.
  static var current: UInt64? {
    let slice = weir_time_slice(0)
    return slice > 0 ? slice : nil
  }

  private static func shorten(thread: CInt) -> CInt? {
    let failure = weir_set_time_slice(thread, nanoseconds)
    return failure == 0 ? nil : failure
  }
}
