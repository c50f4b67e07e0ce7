internal import Dispatch
internal import Foundation
internal import Synchronization
internal import Telemetry

/// A thread on which an actor runs, and nothing else. It ends with its actor.
///
/// What the pipeline makes of an edit is served until the next one, for days. glibc gives a thread the blocks that it has freed itself
/// before all others, so where Swift's threads ran the pipeline, what is served lay among what clients had made the loops allocate,
/// a page each after a storm of clients. Here mostly what this thread has made lies beside it.
///
/// Tasks may have it as well, so that what they wait for wakes this thread at once, and not first one of Swift's.
final class PipelineThread: SerialExecutor, TaskExecutor {
  private final class Queue: Sendable {
    private struct Owner {
      /// The thread must not keep it for ever.
      weak var executor: PipelineThread?
    }

    private struct Jobs {
      var waiting = Jobs.room
      var spare = Jobs.room

      /// Of the usual size: then whoever adds one allocates nothing that this thread frees.
      static var room: [UnownedJob] {
        var jobs: [UnownedJob] = []
        jobs.reserveCapacity(usualCount)
        return jobs
      }
      static let usualCount = 64
    }

    private let owner = Mutex(Owner())
    private let jobs = Mutex(Jobs())
    /// Of what was added and not taken.
    private let count = DispatchSemaphore(value: 0)

    func begin(_ executor: PipelineThread) { owner.withLock { $0.executor = executor } }

    func add(_ job: UnownedJob) {
      jobs.withLock { $0.waiting.append(job) }
      count.signal()
    }

    /// Ends `run` when there are no jobs.
    func end() { count.signal() }

    /// Runs what is added, in its order.
    func run() {
      while true {
        count.wait()
        var taken: [UnownedJob] = []
        jobs.withLock { jobs in
          swap(&taken, &jobs.waiting)
          swap(&jobs.waiting, &jobs.spare)
        }
        guard !taken.isEmpty else { return }
        // Kept meanwhile: a job may be the last that has the actor.
        guard let executor = owner.withLock({ $0.executor }) else {
          preconditionFailure("an actor that has jobs has an executor")
        }
        for _ in taken.dropFirst() { count.wait() }
        for job in taken {
          job.runSynchronously(
            isolatedTo: executor.asUnownedSerialExecutor(), taskExecutor: executor.asUnownedTaskExecutor())
        }
        let isUsual = taken.count <= Jobs.usualCount
        taken.removeAll(keepingCapacity: true)
        jobs.withLock { $0.spare = isUsual ? taken : Jobs.room }
      }
    }
  }

  private let queue = Queue()

  init() {
    queue.begin(self)
    let thread = Thread { [queue] in
      ThreadName.set("weir-pipeline")
      // As the loops have it. Some systems forbid it, and all is well without.
      _ = TimeSlice.shorten()
      queue.run()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  deinit { queue.end() }

  func enqueue(_ job: consuming ExecutorJob) { queue.add(UnownedJob(job)) }
}
