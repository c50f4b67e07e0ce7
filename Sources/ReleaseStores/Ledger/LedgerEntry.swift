/// What is said of one action on a release: who did what, and why.
public struct LedgerStatement: Sendable, Hashable {
  /// The release's id.
  public var release: String
  /// The service's host name.
  public var host: String
  public var actor: String
  /// As in `set-weight`.
  public var action: String
  public var reason: String
  /// The candidate's share before and after, in basis points (10,000 are all); nil where the action does not concern it.
  public var fromWeight: UInt32?
  public var toWeight: UInt32?
  /// The generation in which it is served.
  public var generation: UInt64?
  public var at: Timestamp
  /// When the entry that this one refers to was live on every proxy in its scope.
  public var liveEverywhereAt: Timestamp?
  /// An earlier entry that this one adds to: what is learned later cannot be written into what is there.
  public var refersTo: UInt64?
  public var outcome: String
  /// What else is to be known, by name: `candidate`, `step`.
  public var attributes: [String: String]

  public init(
    release: String, host: String, actor: String, action: String, reason: String = "", fromWeight: UInt32? = nil,
    toWeight: UInt32? = nil, generation: UInt64? = nil, at: Timestamp, liveEverywhereAt: Timestamp? = nil,
    refersTo: UInt64? = nil, outcome: String = "", attributes: [String: String] = [:]
  ) {
    self.release = release
    self.host = host
    self.actor = actor
    self.action = action
    self.reason = reason
    self.fromWeight = fromWeight
    self.toWeight = toWeight
    self.generation = generation
    self.at = at
    self.liveEverywhereAt = liveEverywhereAt
    self.refersTo = refersTo
    self.outcome = outcome
    self.attributes = attributes
  }

  /// The action of an entry that says when an earlier one was live.
  public static let liveEverywhere = "live-everywhere"

  /// Says that an earlier entry is now live on every proxy in its scope.
  public static func liveEverywhere(_ entry: LedgerEntry, actor: String, at time: Timestamp) -> LedgerStatement {
    LedgerStatement(
      release: entry.statement.release, host: entry.statement.host, actor: actor, action: liveEverywhere,
      generation: entry.statement.generation, at: time, liveEverywhereAt: time, refersTo: entry.sequence,
      outcome: "live")
  }

  var texts: [(name: String, text: String)] {
    [
      ("release", release), ("host", host), ("actor", actor), ("action", action), ("reason", reason),
      ("outcome", outcome),
    ] + attributes.flatMap { [("attribute", $0.key), ("attribute \($0.key)", $0.value)] }
  }
}

/// A statement in its place in the ledger.
public struct LedgerEntry: Sendable, Hashable {
  /// From 1, without gaps.
  public var sequence: UInt64
  public var statement: LedgerStatement
  /// Of the entry before.
  public var previousHash: LedgerHash
  /// Over this entry's sequence, statement and `previousHash`, as ``LedgerEncoding`` says.
  public var hash: LedgerHash

  public init(sequence: UInt64, statement: LedgerStatement, previousHash: LedgerHash, hash: LedgerHash) {
    self.sequence = sequence
    self.statement = statement
    self.previousHash = previousHash
    self.hash = hash
  }

  /// The entry that follows `mark`.
  public init(_ statement: LedgerStatement, after mark: LedgerMark) {
    sequence = mark.sequence + 1
    self.statement = statement
    previousHash = mark.hash
    hash = LedgerEncoding.hash(statement, sequence: mark.sequence + 1, previousHash: mark.hash)
  }

  public var mark: LedgerMark { LedgerMark(sequence: sequence, hash: hash) }

  /// Entries for these statements, one after another.
  static func chain(_ statements: [LedgerStatement], after head: LedgerMark) -> [LedgerEntry] {
    var mark = head
    return statements.map {
      let entry = LedgerEntry($0, after: mark)
      mark = entry.mark
      return entry
    }
  }
}
