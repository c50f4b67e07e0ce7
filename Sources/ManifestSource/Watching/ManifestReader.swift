internal import Dispatch
internal import TrafficModel

/// Reads the files that a `DirectoryTree` names and turns what changed into updates. One thread owns it.
struct ManifestReader {
  private struct Known {
    var hash: Int?
    var isEmpty = false
    /// Of a file that could not be read, why.
    var refusal: String?
    /// Of a file of several documents, what each gave.
    var chunks: [String: DecodedChunk] = [:]
  }

  var tree: DirectoryTree
  private var known: [String: Known] = [:]
  private var reportedFailures: [String: Problem] = [:]

  init(tree: DirectoryTree) { self.tree = tree }

  /// What is to be told now, sorted by origin.
  mutating func collect(at now: DirectoryTree.Instant, isInitial: Bool = false) -> [SourceUpdate] {
    var updates: [SourceUpdate] = []
    tree.lookForRoots(at: now)
    tree.lookAtDangling(at: now)
    let settled = tree.takeSettled(at: now)
    let paths = tree.toRead.union(settled).sorted()
    tree.toRead = []
    // Only what is needed: a copy of all would cost the number of files.
    let work = paths.map { (path: $0, before: known[$0]) }
    let results = Self.inParallel(work) { Self.read($0.path, before: $0.before) }
    for (path, result) in zip(paths, results) {
      switch result {
      case .absent:
        // Between the event and the reading it has gone; its removal settles like any other.
        if settled.contains(path) {
          tree.forget(path)
          if known.removeValue(forKey: path) != nil {
            updates.append(SourceUpdate(origin: tree.origin(of: path), content: .removed))
          }
        } else if isInitial {
          updates.append(
            SourceUpdate(origin: tree.origin(of: path), content: .unreadable(path, "vanished while it was read")))
          known[path] = Known()
          tree.settle(path, at: now)
        } else {
          tree.settle(path, at: now)
        }
      case .unchanged: break
      case .dangling:
        refuse(path, "is a link to nothing", &updates)
        tree.lookAgain(path, at: now)
      case .refused(let message): refuse(path, message, &updates)
      case .content(let content, let state):
        // An editor that empties a file before it fills it has not removed what is in it.
        if state.isEmpty, known[path]?.isEmpty == false, !settled.contains(path) {
          tree.settle(path, at: now)
          continue
        }
        known[path] = state
        updates.append(SourceUpdate(origin: tree.origin(of: path), content: content))
      }
    }
    updates += failureUpdates()
    return updates.sorted { $0.origin < $1.origin }
  }

  private mutating func refuse(_ path: String, _ message: String, _ updates: inout [SourceUpdate]) {
    guard known[path]?.refusal != message else { return }
    known[path] = Known(refusal: message)
    updates.append(SourceUpdate(origin: tree.origin(of: path), content: .unreadable(path, message)))
  }

  /// Directories are origins without documents: their content is the problem that they cannot be read, or that a root has
  /// nothing in it.
  private mutating func failureUpdates() -> [SourceUpdate] {
    var failures = tree.failures.mapValues { Problem(.error, at: nil, $0) }
    for path in tree.emptyRoots { failures[path] = Problem(.warning, at: nil, "the directory holds no manifests") }
    guard failures != reportedFailures else { return [] }
    var updates: [SourceUpdate] = []
    for (path, problem) in failures where reportedFailures[path] != problem {
      var problem = problem
      problem.location = SourceLocation(file: path)
      updates.append(
        SourceUpdate(
          origin: tree.origin(of: path), content: .documents([], isComplete: false, problems: [problem])))
    }
    for path in reportedFailures.keys where failures[path] == nil {
      updates.append(SourceUpdate(origin: tree.origin(of: path), content: .removed))
    }
    reportedFailures = failures
    return updates
  }

  private enum Outcome: Sendable {
    case absent
    case dangling
    case unchanged
    case refused(String)
    case content(SourceUpdate.Content, Known)
  }

  /// An event says that something happened, not that something changed: the content decides. (A time stamp would not do:
  /// two writes within one tick of the clock have the same.)
  private static func read(_ path: String, before: Known?) -> Outcome {
    switch FileSystem.read(path, limit: ManifestDecoder.maximumFileSize) {
    case .absent: return .absent
    case .dangling: return .dangling
    case .refused(let message): return .refused(message)
    case .bytes(let bytes):
      var hasher = Hasher()
      bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
      hasher.combine(bytes.count)
      var state = Known(hash: hasher.finalize(), isEmpty: bytes.isEmpty)
      if let hash = before?.hash, hash == state.hash { return .unchanged }
      let decoded = ManifestDecoder.decode(bytes, file: path, reusing: before?.chunks ?? [:])
      state.chunks = decoded.chunks
      return .content(decoded.content, state)
    }
  }

  private static func inParallel<Item: Sendable, Result: Sendable>(
    _ items: [Item], _ body: @Sendable (Item) -> Result
  ) -> [Result] {
    guard items.count >= 16 else { return items.map(body) }
    var results = [Result?](repeating: nil, count: items.count)
    results.withUnsafeMutableBufferPointer { buffer in
      // Each iteration writes its own element, and none reads.
      nonisolated(unsafe) let elements = buffer
      DispatchQueue.concurrentPerform(iterations: items.count) { index in elements[index] = body(items[index]) }
    }
    return results.map { $0! }
  }
}
