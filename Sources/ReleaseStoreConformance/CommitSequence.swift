public import ReleaseStores

/// Commits without end of which each one's content follows from its number: after a crash the store shows how many there
/// were, and whether each of them is there as a whole.
///
/// A process makes commits and says the number of each when it has returned. It is killed, and ``check(_:acknowledged:)``
/// holds what it said against what the store has.
public struct CommitSequence: Sendable {
  private static let counter = "counter"
  private static let names = 8
  private let store: any ReleaseStore
  /// How many there were.
  public private(set) var count: Int
  private var revisions: [String: UInt64]

  /// Goes on where the store ends.
  public init(on store: any ReleaseStore) async throws {
    self.store = store
    let records = try await store.load().records
    count = Self.count(in: records)
    revisions = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0.revision) })
  }

  private static func count(in records: [ReleaseRecord]) -> Int {
    records.first { $0.id == counter }.flatMap { Int(String(decoding: $0.body, as: UTF8.self)) } ?? 0
  }

  /// The next one. When it returns, it is durable.
  ///
  /// - Returns: its number, from 1.
  public mutating func next() async throws -> Int {
    let number = count + 1
    let commit = Self.commit(number, revisions)
    guard let receipt = try await store.commit(commit).receipt else {
      throw ReleaseStoreConformance.Failure(description: "commit \(number) was taken for a repeated one")
    }
    count = number
    for write in commit.writes {
      if case .delete = write { revisions[write.id] = nil } else { revisions[write.id] = receipt.revision }
    }
    return number
  }

  // MARK: What a commit is

  private static func body(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }
  private static func name(_ number: Int) -> String { "release-\(number % names)" }
  private static func time(_ number: Int) -> Timestamp { Timestamp(millisecondsSince1970: Int64(number)) }
  /// Every fifth commit takes a release away.
  private static func isDelete(_ number: Int) -> Bool { number % 5 == 0 }

  private static func statements(_ number: Int) -> [LedgerStatement] {
    (0...(number % 3)).map { part in
      LedgerStatement(
        release: name(number), host: "reviews.shop", actor: "test", action: "commit", reason: "\(number).\(part)",
        toWeight: UInt32(number % 10_001), generation: UInt64(number), at: time(number))
    }
  }

  private static func answer(_ number: Int) -> KeptAnswer {
    KeptAnswer(
      request: IdempotentRequest(key: "key-\(number)", requester: "test", digest: body(number)), result: body(number),
      at: time(number))
  }

  private static func commit(_ number: Int, _ revisions: [String: UInt64]) -> ReleaseCommit {
    func write(_ id: String) -> ReleaseWrite {
      revisions[id].map { .update(id: id, revision: $0, body: body(number)) } ?? .create(id: id, body: body(number))
    }
    let name = name(number)
    var writes = [write(counter)]
    if isDelete(number) {
      if let revision = revisions[name] { writes.append(.delete(id: name, revision: revision)) }
    } else {
      writes.append(write(name))
    }
    return ReleaseCommit(
      writes: writes, statements: statements(number), answer: answer(number),
      notifications: [OutboxDraft(webhook: "hook", body: body(number), at: time(number), statement: 0)],
      forgetAnswersBefore: time(number - answersKept))
  }
  private static let answersKept = 50

  // MARK: What must be there

  /// - Parameter acknowledged: the last number that was said; one more may be there, and nothing else.
  /// - Returns: how many commits there are.
  /// - Throws: `ReleaseStoreConformance.Failure`.
  @discardableResult
  public static func check(_ store: any ReleaseStore, acknowledged: Int) async throws -> Int {
    let loaded = try await store.load()
    let count = count(in: loaded.records)
    func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      try ReleaseStoreConformance.expect(condition, "of \(count) commits, \(acknowledged) acknowledged: \(message())")
    }
    try expect(count == acknowledged || count == acknowledged + 1, "commits are lost, or not whole")
    try expect(loaded.problems.isEmpty, "\(loaded.problems)")
    var records: [String: [UInt8]] = count == 0 ? [:] : [counter: body(count)]
    for number in stride(from: 1, through: count, by: 1) {
      records[name(number)] = isDelete(number) ? nil : body(number)
    }
    let kept = Dictionary(uniqueKeysWithValues: loaded.records.map { ($0.id, $0.body) })
    try expect(kept == records, "the records are \(kept), not \(records)")
    let statements = stride(from: 1, through: count, by: 1).flatMap(statements)
    let entries = try await store.ledger(after: 0, limit: statements.count + 1, of: nil)
    try expect(
      entries.map(\.statement) == statements, "the ledger has \(entries.count) entries, not \(statements.count)")
    let finding = try await store.verifyLedger()
    try expect(finding == nil, "\(finding as Any)")
    let items = try await store.outbox(of: "hook", limit: count + 1)
    try expect(
      items.map(\.body) == stride(from: 1, through: count, by: 1).map(body), "the outbox has \(items.count) items")
    for number in max(1, count - answersKept)...(count + 1) {
      let result = try await store.answer(to: answer(number).request)
      try expect(result == (number > count ? nil : body(number)), "request \(number) is answered with \(result as Any)")
    }
    return count
  }
}
