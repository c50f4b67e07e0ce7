public import TrafficModel

/// A weight, and what has to happen before the next one.
public struct ReleaseStep: Sendable, Hashable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  public var weight: Weight
  /// The share of requests that the candidate gets copies of.
  public var mirror: Weight
  /// After the step is live on all proxies. Nil until a release's own pause is filled in; then as `.untilApproved`.
  public var pause: ReleasePause?

  public init(_ weight: Weight, mirror: Weight = .none, pause: ReleasePause? = nil) {
    self.weight = weight
    self.mirror = mirror
    self.pause = pause
  }

  public init(integerLiteral value: Int) { self.init(Weight(integerLiteral: value)) }
  public init(floatLiteral value: Double) { self.init(Weight(floatLiteral: value)) }

  func pausing(_ pause: ReleasePause) -> ReleaseStep {
    var step = self
    // The last step waits for nobody: who gives it has said all.
    if step.pause == nil { step.pause = weight == .all && pause == .untilApproved ? ReleasePause.none : pause }
    return step
  }
}

/// What has to happen after a step before the next one.
public enum ReleasePause: Sendable, Hashable {
  /// Nothing but that the step is live on all proxies.
  case none
  /// A time, from the moment when the step is live on all proxies.
  case time(ReleaseDuration)
  /// Somebody approves.
  case untilApproved

  public static func `for`(_ duration: Duration) -> ReleasePause { .time(ReleaseDuration(duration)) }
}

/// A duration as it is stored and sent: in whole milliseconds.
public struct ReleaseDuration: Sendable, Hashable, Comparable {
  public var milliseconds: UInt64

  public static let zero = ReleaseDuration(milliseconds: 0)

  public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  /// Rounded up; nothing is negative.
  public init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    milliseconds =
      UInt64(clamping: seconds).multipliedReportingOverflow(by: 1000).partialValue &+ UInt64(clamping: rest)
  }

  public var duration: Duration { .milliseconds(Int64(clamping: milliseconds)) }
  public var seconds: Double { Double(milliseconds) / 1000 }

  public static func < (a: Self, b: Self) -> Bool { a.milliseconds < b.milliseconds }
}
