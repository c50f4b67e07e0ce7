@testable import ReleaseStores

/// Ledgers for tests.
enum LedgerSamples {
  static func statement(_ number: Int) -> LedgerStatement {
    LedgerStatement(
      release: "r-\(number % 3)", host: "reviews.shop", actor: number % 2 == 0 ? "ci" : "alice", action: "set-weight",
      reason: "step \(number)", fromWeight: UInt32(number * 5), toWeight: UInt32(number * 5 + 5),
      generation: UInt64(100 + number), at: Timestamp(millisecondsSince1970: 1_795_860_300_000 + Int64(number)),
      outcome: "accepted", attributes: ["step": "\(number)", "candidate": "v2"])
  }

  static func ledger(_ count: Int) -> [LedgerEntry] {
    LedgerEntry.chain(count == 0 ? [] : (1...count).map(statement), after: .start)
  }
}

extension LedgerEntry {
  /// As somebody would who knows how hashes are made.
  func resealed() -> LedgerEntry {
    LedgerEntry(
      sequence: sequence, statement: statement, previousHash: previousHash,
      hash: LedgerEncoding.hash(statement, sequence: sequence, previousHash: previousHash))
  }
}
