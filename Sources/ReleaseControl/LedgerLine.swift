public import FoundationEssentials
public import TrafficModel

/// An entry of the ledger as everybody sees it: what was done, by whom and why, or what became of it.
public struct LedgerLine: Sendable, Hashable, Codable {
  /// From 1, over all releases, without gaps.
  public var sequence: UInt64
  public var release: String
  /// The service's host name.
  public var service: String
  public var at: Date
  /// `start`, an action (`set-weight`, `rollback`), what the release did itself (`advance`, `trip`), what a guard rail served
  /// in place of the weight (`spill`, `unspill`), that a proxy is not waited for any longer (`forget-proxy`), or what is learned later of an earlier entry: `live-everywhere`, `served`, or
  /// `restarted`: the server was, before it was known to be live.
  public var action: String
  public var actor: String
  public var reason: String
  /// The candidate's share before and after.
  public var fromWeight: Weight?
  public var toWeight: Weight?
  public var generation: UInt64?
  public var liveEverywhereAt: Date?
  /// The earlier entry that it adds to.
  public var refersTo: UInt64?
  /// The state that it led to.
  public var outcome: String
  /// What else is to be known, by name: `from`, `to`, `step`, `revision`; with the first entry of a release, `release`: all of it.
  public var attributes: [String: String]
  /// Of the entry before; zeros for the first.
  public var previousHash: String
  /// Over all of this entry and the hash of the one before; `examples/releases/verify_ledger.py` makes it from what is here.
  public var hash: String

  public init(
    sequence: UInt64, release: String, service: String, at: Date, action: String, actor: String, reason: String,
    fromWeight: Weight?, toWeight: Weight?, generation: UInt64?, liveEverywhereAt: Date?, refersTo: UInt64?,
    outcome: String, attributes: [String: String] = [:], previousHash: String, hash: String
  ) {
    self.sequence = sequence
    self.release = release
    self.service = service
    self.at = at
    self.action = action
    self.actor = actor
    self.reason = reason
    self.fromWeight = fromWeight
    self.toWeight = toWeight
    self.generation = generation
    self.liveEverywhereAt = liveEverywhereAt
    self.refersTo = refersTo
    self.outcome = outcome
    self.attributes = attributes
    self.previousHash = previousHash
    self.hash = hash
  }
}

/// Whether the ledger is as it was written.
public struct LedgerVerdict: Sendable, Hashable, Codable {
  public var entries: UInt64
  /// The first thing that is wrong; nil if nothing is.
  public var finding: String?
  /// The last entry, as `SEQUENCE:HASH`; nil if something is wrong. Whoever keeps it in another place, and has a later ledger
  /// verified against it, sees whether that was cut short or written anew up to there: the ledger alone does not show it.
  public var mark: String?

  public init(entries: UInt64, finding: String?, mark: String? = nil) {
    self.entries = entries
    self.finding = finding
    self.mark = mark
  }
}
