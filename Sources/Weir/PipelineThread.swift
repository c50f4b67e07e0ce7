internal import Dispatch
internal import Foundation
internal import Synchronization

/// A thread on which an actor runs, and nothing else. It ends with its actor.
///
/// What the pipeline makes of an edit is served until the next one, for days. glibc gives a thread the blocks that it has freed itself
/// before all others, so where Swift's threads ran the pipeline, what is served lay among what clients had made the loops allocate,
/// a page each after a storm of clients. Here only what this thread has made lies beside it.
final class PipelineThread: SerialExecutor {
  private final class Queue: Sendable {
    private struct Owner {
      /// The thread must not keep it for ever.
      weak var executor: PipelineThread?
    }

    private let owner = Mutex(Owner())
    private let jobs = Mutex<[UnownedJob]>([])
    /// Of what was added and not taken.
    private let count = DispatchSemaphore(value: 0)

    func begin(_ executor: PipelineThread) { owner.withLock { $0.executor = executor } }

    func add(_ job: UnownedJob) {
      jobs.withLock { $0.append(job) }
      count.signal()
    }

    /// Ends `run` when there are no jobs.
    func end() { count.signal() }

    /// Runs what is added, in its order.
    func run() {
      while true {
        count.wait()
        let taken = jobs.withLock { jobs in
          defer { jobs = [] }
          return jobs
        }
        // Its actor has jobs, and so it has an executor. Kept meanwhile: a job may be the last that has the actor.
        guard !taken.isEmpty, let executor = owner.withLock({ $0.executor }) else { return }
        for _ in taken.dropFirst() { count.wait() }
        for job in taken { job.runSynchronously(on: executor.asUnownedSerialExecutor()) }
      }
    }
  }

  private let queue = Queue()

  init() {
    queue.begin(self)
    let thread = Thread { [queue] in
      Thread.current.name = "weir-pipeline"
      queue.run()
    }
    thread.stackSize = 8 << 20
    thread.start()
  }

  deinit { queue.end() }

  func enqueue(_ job: consuming ExecutorJob) { queue.add(UnownedJob(job)) }
}
