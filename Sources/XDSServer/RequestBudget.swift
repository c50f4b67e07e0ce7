internal import NIOCore

/// How much a stream may ask for: a bucket that time refills. It may be overdrawn once, and then reading waits until it is
/// even; so a request is never cut short, and a large one is paid for afterwards.
///
/// The clock is read only when the bucket is empty, and at the first request.
struct RequestBudget {
  /// Bytes of a request that count as much as a request.
  static let costlyBytes = 16 << 10

  private let perSecond: Double
  private let burst: Double
  private var balance: Double
  private var refilledAt: NIODeadline?
  /// Since when the stream has had to wait again and again, without the bucket having been half full in between.
  private var overdrawnSince: NIODeadline?
  /// Offences that its going on for so long was counted as.
  private var offences = 0

  /// How long the stream has gone on asking for more than it gets, as of its last wait.
  private(set) var overdraft = TimeAmount.zero

  /// From which on the stream's requests wait behind those of others. It may be a start, and harms nobody whom others do not
  /// hold up.
  static let patience = TimeAmount.seconds(2)
  /// From which on it is no start any more: a client with some thousand names to ask for one by one is through with them.
  static let limit = TimeAmount.seconds(30)
  /// What each of so long beyond that counts as an offence.
  static let offenceTime = TimeAmount.seconds(5)

  init(perSecond: Int, burst: Int) {
    self.perSecond = Double(max(1, perSecond))
    self.burst = Double(max(1, burst))
    balance = self.burst
  }

  /// Whether the overdraft has become an offence since this was asked last.
  mutating func becomesOffence() -> Bool {
    guard overdraft > Self.limit + Self.offenceTime * offences else { return false }
    offences += 1
    return true
  }

  /// Takes the cost of something, in requests.
  /// - Returns: how long the stream is to wait before its next request is read, or nil.
  mutating func spend(_ cost: Int, now: () -> NIODeadline) -> TimeAmount? {
    balance -= Double(cost)
    guard let last = refilledAt else {
      let now = now()
      refilledAt = now
      return wait(at: now)
    }
    if balance >= 0 { return nil }
    let now = now()
    refilledAt = now
    balance = min(burst, balance + min(burst, Double((now - last).nanoseconds) / 1e9 * perSecond))
    if balance >= burst / 2 { (overdrawnSince, overdraft, offences) = (nil, .zero, 0) }
    return wait(at: now)
  }

  private mutating func wait(at now: NIODeadline) -> TimeAmount? {
    guard balance < 0 else { return nil }
    let since = overdrawnSince ?? now
    overdrawnSince = since
    overdraft = now - since
    return .nanoseconds(Int64(-balance / perSecond * 1e9) + 1)
  }
}
