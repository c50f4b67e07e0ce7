/// How long to wait after a failure: twice as long each time, and not all at the same moment.
public struct Backoff: Sendable {
  public var first: Duration
  public var longest: Duration
  /// From 0 up to 1.
  public var random: @Sendable () -> Double

  public init(
    first: Duration = .seconds(1), longest: Duration = .seconds(300),
    random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
  ) {
    self.first = first
    self.longest = longest
    self.random = random
  }

  /// Half of it is certain, and the other half is left to chance.
  ///
  /// - Parameter failures: how many there were one after another; from 1.
  public func delay(after failures: Int) -> Duration {
    var delay = first
    for _ in 1..<max(1, min(failures, 64)) where delay < longest { delay *= 2 }
    return min(delay, longest) * (0.5 + 0.5 * random())
  }
}
