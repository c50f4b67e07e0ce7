import ArgumentParser

// What the flags of limits take.
extension FlagValue {
  /// As `count`, or 0 for never.
  @Sendable static func threshold(_ text: String) throws -> Int { text == "0" ? 0 : try count(text) }

  /// A whole number from 1 to a billion.
  @Sendable static func count(_ text: String) throws -> Int {
    guard let count = wholeNumber(text[...]), (1...1_000_000_000).contains(count) else {
      throw ValidationError("a count is a whole number from 1 to 1000000000")
    }
    return count
  }

  /// A whole number from 0 to ten thousand: what is counted is kept in memory.
  @Sendable static func countKept(_ text: String) throws -> Int {
    guard let count = wholeNumber(text[...]), (0...10_000).contains(count) else {
      throw ValidationError("a count is a whole number from 0 to 10000")
    }
    return count
  }

  private static let sizes = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("", 1)]

  /// Bytes: a whole number with KiB, MiB, GiB or TiB, or without a unit.
  static func byteCount(_ text: String, _ range: ClosedRange<Int>) throws -> Int {
    for (unit, factor) in sizes where text.hasSuffix(unit) {
      guard let count = wholeNumber(text.dropLast(unit.count)) else { continue }
      let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
      guard !overflow, range.contains(bytes) else {
        throw ValidationError("it is from \(size(range.lowerBound)) to \(size(range.upperBound))")
      }
      return bytes
    }
    throw ValidationError("a size is a whole number of bytes, or of KiB, MiB or GiB, such as 16MiB")
  }

  /// A `duration` above zero and up to a day.
  @Sendable static func time(_ text: String) throws -> Duration {
    let time = try duration(text)
    guard time > .zero, time <= .seconds(86_400) else { throw ValidationError("it is above 0 and at most 24h") }
    return time
  }

  /// Digits alone: `Int` would take a sign.
  private static func wholeNumber(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return Int(text)
  }

  private static func size(_ bytes: Int) -> String {
    let fitting = sizes.last { $0.1 > 1 && bytes % $0.1 == 0 } ?? ("", 1)
    return "\(bytes / fitting.1)\(fitting.0)"
  }
}
