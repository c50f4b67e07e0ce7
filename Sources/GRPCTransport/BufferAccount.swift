private import Synchronization

/// What the clients of a process make it hold: received parts of messages, subscriptions, responses that wait. One number for
/// all of them, and limits.
///
/// Whoever holds bytes for a client charges them here, in coarse steps, and gives them back when they are gone. What many
/// clients share is charged once. The limit is about bytes that are held on a client's account, not about the process: its
/// resident memory is larger.
///
/// What clients send may never take so much that nothing is left for what they are sent: else one that sends what it never
/// finishes would keep the rest from their updates.
///
///     0        1/2       5/8     3/4              1
///     ├─ parts ─┤         │       │               │   parts of messages alone; subscriptions alone
///     ├─ both ────────────┤       │               │
///     ├─ and large responses ─────┤               │
///     ├─ and streams themselves ───────────┤
///     ├─ and small responses, and subscriptions of few names ┤
///
/// Two relaxed atomic adds for each charge, from any thread.
public final class BufferAccount: Sendable {
  /// What bytes are held for.
  public enum Use: Sendable {
    /// Parts of messages that are not complete, and messages that wait for their turn.
    case parts
    /// Names that streams subscribe to.
    case names
    /// Streams themselves.
    case streams
    /// What waits to be sent, or to be answered.
    case responses
  }

  /// Charges up to this size may use the last quarter, so that what is needed to serve everybody else still fits when large
  /// requests no longer do.
  public static let smallCharge = 64 << 10

  /// Bytes.
  public let limit: Int
  private let used = Atomic<Int>(0)
  private let parts = Atomic<Int>(0)
  private let names = Atomic<Int>(0)
  private let refused = Atomic<Int>(0)

  public init(limit: Int = .max) { self.limit = limit }

  /// Bytes charged now.
  public var bytes: Int { used.load(ordering: .relaxed) }
  /// Charges that were refused since the start.
  public var refusals: Int { refused.load(ordering: .relaxed) }
  /// Whether even a small charge is refused.
  public var isFull: Bool { bytes >= limit }

  /// Charges bytes if there is room for them. Charges that run at the same time may overshoot by what they ask for.
  public func charge(_ count: Int, for use: Use = .responses) -> Bool {
    guard hasRoom(for: count, as: use) else { return false }
    chargeAnyway(count, for: use)
    return true
  }

  /// Charges bytes that are held already. To be asked for with ``hasRoom(for:as:)`` where that can be.
  public func chargeAnyway(_ count: Int, for use: Use = .responses) { add(count, use) }

  public func release(_ count: Int, for use: Use = .responses) { add(-count, use) }

  private func add(_ count: Int, _ use: Use) {
    used.add(count, ordering: .relaxed)
    switch use {
    case .parts: parts.add(count, ordering: .relaxed)
    case .names: names.add(count, ordering: .relaxed)
    case .streams, .responses: break
    }
  }

  /// Whether a charge of so many bytes would be accepted; a "no" counts as a refusal.
  public func hasRoom(for count: Int, as use: Use = .responses) -> Bool { noted(isRoom(for: count, more: count, use)) }

  /// Whether there was room for a charge that has been made: for what may turn out to be shared, and so to cost nothing.
  public func hadRoom(for count: Int, as use: Use = .responses) -> Bool { noted(isRoom(for: count, more: 0, use)) }

  private func noted(_ isRoom: Bool) -> Bool {
    if !isRoom { refused.add(1, ordering: .relaxed) }
    return isRoom
  }

  /// - Parameter more: what is not in the account yet.
  private func isRoom(for count: Int, more: Int, _ use: Use) -> Bool {
    func fits(_ used: Int, _ eighths: Int) -> Bool {
      let (sum, overflow) = used.addingReportingOverflow(more)
      return !overflow && sum <= (eighths == 8 ? limit : limit / 8 * eighths)
    }
    let (used, parts, names) = (
      bytes, parts.load(ordering: .relaxed), names.load(ordering: .relaxed)
    )
    switch use {
    case .responses: return fits(used, count <= Self.smallCharge ? 8 : 6)
    case .streams: return fits(used, 7)
    case .parts: return fits(parts, 4) && fits(parts + names, 5) && fits(used, 8)
    case .names:
      if count <= Self.smallCharge { return fits(used, 8) }
      return fits(names, 4) && fits(parts + names, 5) && fits(used, 8)
    }
  }
}
