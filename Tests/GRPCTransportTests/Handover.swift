import Synchronization

/// Takes a value that an event loop makes to the task that waits for it, through a lock.
///
/// A continuation alone does it for the program. But Swift's runtime on Linux does not tell the thread sanitizer that what
/// comes before `resume` happens before what comes after `await`: a program that makes an object on one thread, resumes a
/// continuation with it and reads it in the task is reported as a race each time, and with a lock in between it is not.
final class Handover<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)

  /// Returns the value that `start` has made and handed to its argument, once, on whatever thread.
  static func value(_ start: (@escaping @Sendable (Value) -> Void) -> Void) async -> Value {
    let handover = Handover()
    await withCheckedContinuation { done in
      start { value in
        handover.value.withLock { $0 = value }
        done.resume()
      }
    }
    return handover.value.withLock { $0! }
  }
}
