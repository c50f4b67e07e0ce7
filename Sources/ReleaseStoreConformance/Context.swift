import ReleaseStores

extension ReleaseStoreConformance {
  /// What a check works with.
  struct Context: Sendable {
    var store: any ReleaseStore
    var subject: any Subject

    /// Runs the rest of a check on the store as it is, and once more as the next start finds it, if it outlives its process.
    func nowAndAfterRestart(_ body: (any ReleaseStore) async throws -> Void) async throws {
      try await body(store)
      if let reopened = try await subject.reopen() { try await body(reopened) }
    }

    @discardableResult
    func commit(_ commit: ReleaseCommit) async throws -> CommitReceipt {
      guard let receipt = try await store.commit(commit).receipt else {
        throw Failure(description: "a commit without a repeated request was taken for one")
      }
      return receipt
    }

    /// - Returns: the code that was thrown.
    func refuses(
      _ commit: ReleaseCommit, as code: ReleaseStoreError.Code, naming text: String = "", _ what: String
    ) async throws {
      let before = try await Contents(store)
      do {
        _ = try await store.commit(commit)
      } catch let error as ReleaseStoreError {
        try expect(error.code == code, "\(what) is refused with \(error.code), and not \(code): \(error)")
        try expect(error.message.contains(text) || text.isEmpty, "\(what): the message does not say \(text): \(error)")
        try expect(try await Contents(store) == before, "\(what) has left something behind")
        return
      }
      throw Failure(description: "\(what) was taken")
    }
  }

  /// All that a store shows.
  struct Contents: Hashable, Sendable {
    var loaded: StoredReleases
    var ledger: [LedgerEntry]
    var outbox: [String: [OutboxItem]]

    init(_ store: any ReleaseStore) async throws {
      loaded = try await store.load()
      ledger = try await store.ledger(after: 0, limit: 10_000, of: nil)
      outbox = [:]
      for webhook in loaded.waiting.keys { outbox[webhook] = try await store.outbox(of: webhook, limit: 10_000) }
    }
  }

  static func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw Failure(description: message()) }
  }

  static func statement(_ number: Int, release: String = "r", at time: Int64 = 1_000) -> LedgerStatement {
    LedgerStatement(
      release: release, host: "reviews.shop", actor: "ci", action: "set-weight", reason: "step \(number)",
      fromWeight: UInt32(number) * 100, toWeight: UInt32(number) * 100 + 100, generation: UInt64(number),
      at: Timestamp(millisecondsSince1970: time), outcome: "accepted", attributes: ["step": "\(number)"])
  }
}

extension ReleaseStoreConformance.Context {
  func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    try ReleaseStoreConformance.expect(condition, message())
  }
}
