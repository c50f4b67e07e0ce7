internal import Foundation
public import Logging
internal import Synchronization
internal import Telemetry
public import TrafficModel

/// What changed in the manifests at one time.
public struct SourceBatch: Sendable {
  /// Sorted by origin; one for each.
  public var updates: [SourceUpdate]
  /// The updates are all there is.
  public var isInitialScan: Bool

  public init(updates: [SourceUpdate], isInitialScan: Bool = false) {
    self.updates = updates
    self.isInitialScan = isInitialScan
  }
}

/// Directories of Kubernetes and Istio manifests, watched.
///
/// Files named `*.yaml`, `*.yml` and `*.json` count, in subdirectories, too; hidden ones do not, but the links of a mounted
/// ConfigMap are followed. A change is told as soon as its file is closed or moved into place; a file that disappears is
/// gone after 25 ms; only files whose content changed are parsed again. A directory that cannot be read, or has gone, is a
/// problem of its name, and what was in it stays.
public final class ManifestSource: Sendable {
  private let directories: [String]
  private let logger: Logger
  private let now: @Sendable () -> ContinuousClock.Instant

  /// - Parameters:
  ///   - directories: as they are to be named in problems: a relative path stays relative.
  ///   - now: the clock.
  public init(
    directories: [String], logger: Logger,
    now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.directories = directories
    self.logger = logger
    self.now = now
  }

  /// Tells what is in the directories, and every change. The first batch is the full scan, also if it is empty. While
  /// `deliver` runs, changes gather into the next batch, the newest of each file.
  ///
  /// Returns when its task is cancelled. A thread of its own waits for the kernel's events meanwhile.
  ///
  /// - Parameter executor: of whoever is told, if that has a thread of its own: a change wakes no other on its way there.
  /// - Throws: if the kernel gives no inotify instance.
  public func run(
    on executor: (any TaskExecutor)? = nil, _ deliver: @escaping @Sendable (SourceBatch) async -> Void
  ) async throws {
    let inotify: Inotify
    do {
      inotify = try Inotify()
    } catch {
      throw ManifestSourceError(
        code: .cannotWatch, message: "the manifests cannot be watched (fs.inotify.max_user_instances)", cause: error)
    }
    let mailbox = Mailbox()
    let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let thread = Thread { [directories, logger, now] in
      ThreadName.set("weir-manifests")
      Self.watch(directories, inotify, logger, now, isStopped: { mailbox.isStopped }) { batch in
        mailbox.add(batch)
        signal.yield()
      }
      signal.finish()
    }
    // Parsing a document takes stack in proportion to its depth.
    thread.stackSize = 16 << 20
    thread.start()
    await withTaskCancellationHandler {
      // The stream would end at once when the task is cancelled; the thread has to be done first.
      await Task(executorPreference: executor) {
        for await _ in signals where !mailbox.isStopped {
          if let batch = mailbox.take() { await deliver(batch) }
        }
      }.value
    } onCancel: {
      mailbox.stop()
      inotify.wake()
    }
  }

  /// What is in the directories now, without watching: for a check.
  public static func scanOnce(directories: [String]) -> SourceBatch {
    let now = ContinuousClock.now
    var reader = ManifestReader(tree: DirectoryTree(roots: directories, inotify: nil))
    reader.tree.scanAll(at: now)
    return SourceBatch(updates: reader.collect(at: now, isInitial: true), isInitialScan: true)
  }

  private static func watch(
    _ directories: [String], _ inotify: Inotify, _ logger: Logger, _ now: () -> ContinuousClock.Instant,
    isStopped: () -> Bool, tell: (SourceBatch) -> Void
  ) {
    var reader = ManifestReader(tree: DirectoryTree(roots: directories, inotify: inotify))
    var time = now()
    reader.tree.scanAll(at: time)
    let initial = reader.collect(at: time, isInitial: true)
    logger.debug("scanned manifests", metadata: ["files": "\(reader.tree.files.count)"])
    tell(SourceBatch(updates: initial, isInitialScan: true))
    while !isStopped() {
      let wait = reader.tree.nextDeadline.map { deadline in
        // Rounded up, for a deadline is not to be met half a millisecond early and waited for again.
        Int(max(.zero, deadline - now()) / .milliseconds(1)) + 1
      }
      let events = inotify.wait(milliseconds: wait)
      time = now()
      let isDue = reader.tree.nextDeadline.map { $0 <= time } ?? false
      guard reader.tree.handle(events, at: time) || isDue else { continue }
      let updates = reader.collect(at: time)
      if !updates.isEmpty {
        logger.debug("manifests changed", metadata: ["files": "\(updates.count)"])
        tell(SourceBatch(updates: updates))
      }
    }
  }
}

/// What has been found and not yet been told.
private final class Mailbox: Sendable {
  private struct State {
    var updates: [String: SourceUpdate] = [:]
    var isInitialScan = false
    var isFull = false
    var isStopped = false
  }
  private let state = Mutex(State())

  var isStopped: Bool { state.withLock { $0.isStopped } }

  func stop() { state.withLock { $0.isStopped = true } }

  func add(_ batch: SourceBatch) {
    state.withLock { state in
      for update in batch.updates { state.updates[update.origin] = update }
      state.isInitialScan = state.isInitialScan || batch.isInitialScan
      state.isFull = true
    }
  }

  func take() -> SourceBatch? {
    let taken = state.withLock { state -> State? in
      guard state.isFull else { return nil }
      defer { state = State(isStopped: state.isStopped) }
      return state
    }
    guard let taken else { return nil }
    return SourceBatch(
      updates: taken.updates.values.sorted { $0.origin < $1.origin }, isInitialScan: taken.isInitialScan)
  }
}

/// Why the manifests cannot be watched at all.
public struct ManifestSourceError: Error, CustomStringConvertible {
  public enum Code: Sendable { case cannotWatch }
  public var code: Code
  public var message: String
  public var cause: (any Error)?

  public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
