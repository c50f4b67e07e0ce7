internal import ReleaseControl

/// Where releases and what was done to them are kept.
protocol ReleaseJournal: Sendable {
  /// All releases that are kept, and what idempotency keys were used for.
  func load() async throws -> (releases: [Release], answers: [String: ReleaseAnswer])
  /// Keeps a change, whole or not at all. Durable when it returns.
  func commit(_ change: ReleaseJournalChange) async throws
  /// What was done to a release, oldest first.
  func history(of release: String) async throws -> [ReleaseHistoryEntry]
}

struct ReleaseJournalChange: Sendable {
  var releases: [Release]
  var entries: [ReleaseHistoryEntry]
  var key: (key: String, answer: ReleaseAnswer)?
}

/// What a request with an idempotency key was, and what came of it.
struct ReleaseAnswer: Sendable, Hashable, Codable {
  var request: String
  var release: String
  var revision: UInt64
}

/// Keeps releases as long as the process lives.
actor MemoryJournal: ReleaseJournal {
  private var releases: [String: Release] = [:]
  private var answers: [String: ReleaseAnswer] = [:]
  private var entries: [ReleaseHistoryEntry] = []

  func load() -> (releases: [Release], answers: [String: ReleaseAnswer]) {
    (releases.values.sorted { $0.id < $1.id }, answers)
  }

  func commit(_ change: ReleaseJournalChange) {
    for release in change.releases { releases[release.id] = release }
    for var entry in change.entries {
      entry.sequence = UInt64(entries.count + 1)
      entries.append(entry)
    }
    if let (key, answer) = change.key { answers[key] = answer }
  }

  func history(of release: String) -> [ReleaseHistoryEntry] { entries.filter { $0.release == release } }
}
