// Programs of which the thread sanitizer is to say what is true (scripts/run-sanitized): the argument says which.
import Glibc
import Synchronization

/// Some number, and memory that is not atomic.
final class Counts: @unchecked Sendable {
  var counts: [Int] = []
  init(_ count: Int = 0) { counts.append(count) }
}

final class Guarded: Sendable { let counts = Mutex<[Int: Int]>([:]) }

@inline(never) func spawn(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    {
      (Unmanaged<AnyObject>.fromOpaque($0!).takeRetainedValue() as! @Sendable () -> Void)()
      return nil
    }, Unmanaged.passRetained(body as AnyObject).toOpaque())
  return thread
}

switch CommandLine.arguments[1] {
case "mutex":
  // Four threads, and so much to do under the lock that they wait for it.
  let guarded = Guarded()
  let threads = (0..<4).map { _ in
    spawn { for step in 0..<20_000 { guarded.counts.withLock { $0[step % 50, default: 0] += 1 } } }
  }
  for thread in threads { pthread_join(thread, nil) }
  print(guarded.counts.withLock { $0[0]! })
case "continuation":
  var sum = 0
  for round in 0..<2000 {
    let counts = await withCheckedContinuation { continuation in
      let thread = spawn {
        // Before the task waits, or after.
        if round % 2 == 0 { usleep(200) }
        continuation.resume(returning: Counts(round))
      }
      pthread_detach(thread)
      if round % 2 == 1 { usleep(200) }
    }
    counts.counts.append(1)
    sum += counts.counts.count
  }
  print(sum)
default:
  let counts = Counts()
  let threads = (0..<4).map { _ in spawn { for _ in 0..<1000 { counts.counts[0] += 1 } } }
  for thread in threads { pthread_join(thread, nil) }
  print(counts.counts[0])
}
