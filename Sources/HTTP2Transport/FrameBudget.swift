internal import HTTP2Session
internal import NIOCore

/// What a peer may make this end work for in frames that cost it next to nothing (PING, SETTINGS, WINDOW_UPDATE, PRIORITY,
/// RST_STREAM, empty and tiny DATA): a bucket that time and this end's own DATA frames refill.
///
/// The clock is read at the first frame and when the bucket is empty, so that an honest peer costs two additions a read.
struct FrameBudget {
  /// Frames of the peer that a DATA frame of this end may cause.
  static let earnedPerDataFrame = 10

  private let burst: Int
  private let perSecond: Int
  private var balance: Int
  private var refilledAt: NIODeadline?

  init(burst: Int, perSecond: Int) {
    self.burst = burst
    self.perSecond = perSecond
    balance = burst
  }

  /// Takes what was counted since the last call. False when the peer has overdrawn.
  mutating func spend(_ tally: FrameTally, now: () -> NIODeadline) -> Bool {
    balance = min(burst, balance + tally.dataSent * Self.earnedPerDataFrame) - tally.received
    guard let last = refilledAt else {
      // The bucket was full until now.
      refilledAt = now()
      return balance >= 0
    }
    if balance >= 0 { return true }
    let now = now()
    refilledAt = now
    let earned = min(Double(burst), Double((now - last).nanoseconds) * Double(perSecond) / 1e9)
    balance = min(burst, balance + Int(earned))
    return balance >= 0
  }
}
