import Foundation
import Logging
import ManifestSource
import Synchronization
import TrafficModel

/// A directory of its own, removed at the end.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func at(_ name: String) -> String { "\(path)/\(name)" }

  func makeDirectory(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: at(name), withIntermediateDirectories: true)
  }

  /// In place, as `echo > file` does.
  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: at(name)))
  }

  /// A temporary file renamed over the other.
  func replace(_ name: String, _ text: String) throws {
    try write(".\(name.split(separator: "/").last!).tmp", text)
    guard rename(at(".\(name.split(separator: "/").last!).tmp"), at(name)) == 0 else {
      throw CocoaError(.fileWriteUnknown)
    }
  }

  func move(_ name: String, to other: String) throws {
    guard rename(at(name), at(other)) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: at(name)) }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: at(name), withDestinationPath: target)
  }
}

/// A running source, and what it has told: the newest content of each origin, and everything in order.
final class Watched: Sendable {
  private struct State {
    var batches: [SourceBatch] = []
    var problems: [String: [Problem]] = [:]
    var services: [String: [String: [UInt16]]] = [:]
    var removed: [String] = []
    var waiters: [(@Sendable () -> Void)] = []
  }
  private let state = Mutex(State())
  private let task = Mutex<Task<Void, any Error>?>(nil)

  init(_ directories: [String], on executor: (any TaskExecutor)? = nil) {
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let source = ManifestSource(directories: directories, logger: logger)
    let running = Task { try await source.run(on: executor) { [self] batch in took(batch) } }
    task.withLock { $0 = running }
  }

  private func took(_ batch: SourceBatch) {
    let waiters = state.withLock { state in
      state.batches.append(batch)
      for update in batch.updates {
        state.services[update.origin] = nil
        state.problems[update.origin] = nil
        switch update.content {
        case .removed: state.removed.append(update.origin)
        case .documents(let documents, _, let problems):
          if !problems.isEmpty { state.problems[update.origin] = problems }
          for document in documents {
            guard case .service(let service) = document.object else { continue }
            state.services[update.origin, default: [:]][service.id.name] = service.ports.map(\.port)
          }
        }
      }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter() }
  }

  var services: [String: [UInt16]] {
    state.withLock { state in
      state.services.values.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
    }
  }
  var removed: [String] { state.withLock { $0.removed } }
  var problems: [String] { state.withLock { $0.problems.values.flatMap { $0 }.map(\.description).sorted() } }
  var batches: [SourceBatch] { state.withLock { $0.batches } }
  var updateCount: Int { state.withLock { $0.batches.reduce(0) { $0 + $1.updates.count } } }

  struct TimedOut: Error, CustomStringConvertible { var description: String }

  /// Waits for batches until something holds.
  func until(_ what: String, _ condition: @escaping @Sendable (Watched) -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition(self) {
      guard ContinuousClock.now < deadline else {
        throw TimedOut(description: "\(what): services \(services), problems \(problems), removed \(removed)")
      }
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let isDone = Mutex(false)
        let resume: @Sendable () -> Void = {
          let first = isDone.withLock { done in
            defer { done = true }
            return !done
          }
          if first { continuation.resume() }
        }
        state.withLock { $0.waiters.append(resume) }
        // A batch may have come between the condition and here; look again before long.
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(condition(self) ? 0 : 200), execute: resume)
      }
    }
  }

  func stop() async throws {
    let running = task.withLock { $0 }
    running?.cancel()
    try await running?.value
  }
}
