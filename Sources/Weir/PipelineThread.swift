internal import Dispatch
internal import Foundation
internal import GRPCTransport
internal import Synchronization

/// A thread on which an actor runs, and nothing else. It ends with its actor.
///
/// What the pipeline makes of an edit is served until the next one, for days. glibc gives a thread the blocks that it has freed itself
/// before all others, so where Swift's threads ran the pipeline, what is served lay among what clients had made the loops allocate,
/// a page each after a storm of clients. Here mostly what this thread has made lies beside it.
final class PipelineThread: SerialExecutor {
  private final class Queue: Sendable {
    private struct Owner {
      /// The thread must not keep it for ever.
      weak var executor: PipelineThread?
    }

    private let owner = Mutex(Owner())
    private struct Jobs {
      var waiting: [UnownedJob] = []
      /// With room for some: whoever adds one is to allocate nothing that this thread frees.
      var spare: [UnownedJob] = []
    }

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
        for job in taken { job.runSynchronously(on: executor.asUnownedSerialExecutor()) }
        taken.removeAll(keepingCapacity: true)
        jobs.withLock { $0.spare = taken }
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
