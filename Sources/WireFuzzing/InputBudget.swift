#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// The time that an input may take: a fixed part, and a part for each byte. What takes longer is a finding like any other, for
/// bytes whose cost grows faster than they do stop an event loop.
///
/// It is the thread's own time, which others on the machine do not take.
public struct InputBudget: Sendable {
  /// Nanoseconds.
  public var fixed: UInt64
  public var perByte: UInt64

  public init(fixed: UInt64, perByte: UInt64) {
    self.fixed = fixed
    self.perByte = perByte
  }

  /// Much more than any input takes that is run as it should be, and much less than one takes whose cost is the square of a
  /// few ten thousand bytes.
  public static let standard: InputBudget = {
    #if DEBUG
      let factor: UInt64 = 8
    #else
      let factor: UInt64 = LeakCheck.isAvailable ? 4 : 1
    #endif
    return InputBudget(fixed: 250_000_000 * factor, perByte: 2000 * factor)
  }()

  func limit(_ byteCount: Int) -> UInt64 { fixed + perByte * UInt64(byteCount) }

  /// - Throws: what `body` throws, or `FuzzFailure` if it took too long.
  func spend(on input: [UInt8], _ body: ([UInt8]) throws -> Void) throws {
    let began = Self.now()
    try body(input)
    let taken = Self.now() - began
    try require(
      taken <= limit(input.count),
      "took \(taken / 1_000_000) ms; \(input.count) bytes may take \(limit(input.count) / 1_000_000) ms")
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
