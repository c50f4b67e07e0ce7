private import Synchronization

/// What the clients of a process make it hold: received parts of messages, subscriptions, responses that wait. One number for
/// all of them, and a limit.
///
/// Whoever holds bytes for a client charges them here, in coarse steps, and gives them back when they are gone. What many
/// clients share is charged once. The limit is about bytes that are held on a client's account, not about the process: its
/// resident memory is larger.
///
/// One relaxed atomic add for each charge, from any thread.
public final class BufferAccount: Sendable {
  /// Charges up to this size may use the last quarter, so that what is needed to serve everybody else still fits when large
  /// requests no longer do.
  public static let smallCharge = 64 << 10

  /// Bytes.
  public let limit: Int
  private let used = Atomic<Int>(0)
  private let refused = Atomic<Int>(0)

  public init(limit: Int = .max) { self.limit = limit }

  /// Bytes charged now.
  public var bytes: Int { used.load(ordering: .relaxed) }
  /// Charges that were refused since the start.
  public var refusals: Int { refused.load(ordering: .relaxed) }
  /// Whether even a small charge is refused.
  public var isFull: Bool { bytes >= limit }

  /// Charges bytes if there is room for them. Charges that run at the same time may overshoot by what they ask for.
  public func charge(_ count: Int) -> Bool {
    guard hasRoom(for: count) else { return false }
    used.add(count, ordering: .relaxed)
    return true
  }

  /// Charges bytes that are held already. To be asked for with ``hasRoom(for:)`` where that can be.
  public func chargeAnyway(_ count: Int) { used.add(count, ordering: .relaxed) }

  public func release(_ count: Int) { used.subtract(count, ordering: .relaxed) }

  /// Whether a charge of so many bytes would be accepted; a "no" counts as a refusal.
  public func hasRoom(for count: Int) -> Bool {
    let (sum, overflow) = bytes.addingReportingOverflow(count)
    guard overflow || sum > bound(for: count) else { return true }
    refused.add(1, ordering: .relaxed)
    return false
  }

  /// Whether there was room for a charge that has been made: for what may turn out to be shared, and so to cost nothing.
  public func hadRoom(for count: Int) -> Bool {
    guard bytes > bound(for: count) else { return true }
    refused.add(1, ordering: .relaxed)
    return false
  }

  private func bound(for count: Int) -> Int { count <= Self.smallCharge ? limit : limit / 4 * 3 }
}
