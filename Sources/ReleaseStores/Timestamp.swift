#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A point in time, in whole milliseconds: what is written, hashed and read again is the same to the last digit.
public struct Timestamp: Sendable, Hashable, Comparable {
  public var millisecondsSince1970: Int64

  public init(millisecondsSince1970: Int64) { self.millisecondsSince1970 = millisecondsSince1970 }

  /// By the system's clock.
  public static var now: Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(millisecondsSince1970: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
  }

  /// Whether its year has four digits, as RFC 3339 demands.
  var isWritable: Bool { (-62_135_596_800_000...253_402_300_799_999).contains(millisecondsSince1970) }

  public static func < (a: Self, b: Self) -> Bool { a.millisecondsSince1970 < b.millisecondsSince1970 }

  public static func + (time: Self, duration: Duration) -> Self {
    Timestamp(millisecondsSince1970: time.millisecondsSince1970 + duration.inMilliseconds)
  }

  public static func - (time: Self, earlier: Self) -> Duration {
    .milliseconds(time.millisecondsSince1970 - earlier.millisecondsSince1970)
  }
}

/// As text, as `description` writes it.
extension Timestamp: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let time = Timestamp(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "this is no time as 2026-11-28T10:00:00.123Z")
    }
    self = time
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension Duration {
  fileprivate var inMilliseconds: Int64 {
    components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
  }
}

extension Timestamp: CustomStringConvertible {
  private static let dayLength: Int64 = 86_400_000

  /// As in RFC 3339, in UTC with milliseconds: `2026-11-28T10:00:00.123Z`.
  public var description: String {
    // Rounded down, also before 1970.
    let days = millisecondsSince1970 / Self.dayLength - (millisecondsSince1970 % Self.dayLength < 0 ? 1 : 0)
    let rest = millisecondsSince1970 - days * Self.dayLength
    let (year, month, dayOfMonth) = Self.date(ofDay: days)
    return Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-" + Self.padded(dayOfMonth, 2) + "T"
      + Self.padded(rest / 3_600_000, 2) + ":" + Self.padded(rest / 60_000 % 60, 2) + ":"
      + Self.padded(rest / 1_000 % 60, 2) + "." + Self.padded(rest % 1_000, 3) + "Z"
  }

  /// Reads exactly what `description` writes.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int64? {
      var value: Int64 = 0
      for byte in bytes[range] {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      }
      return value
    }
    guard bytes.count == 24, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      let millisecond = number(20..<23), (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    self.init(
      millisecondsSince1970: Self.day(ofYear: year, month: month, day: day) * Self.dayLength + hour * 3_600_000
        + minute * 60_000 + second * 1_000 + millisecond)
    guard description == text else { return nil }
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  /// Days from 1970 to the first of January of a year.
  private static func firstDay(of year: Int64) -> Int64 {
    let before = year - 1
    return 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400)
  }

  private static func lengths(_ year: Int64) -> [Int64] {
    [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  }

  private static func day(ofYear year: Int64, month: Int64, day: Int64) -> Int64 {
    firstDay(of: year) + lengths(year).prefix(Int(month) - 1).reduce(0, +) + day - 1
  }

  private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    var year = 1970 + day / 366
    while firstDay(of: year + 1) <= day { year += 1 }
    while firstDay(of: year) > day { year -= 1 }
    var rest = day - firstDay(of: year)
    var month: Int64 = 1
    for length in lengths(year) {
      if rest < length { break }
      rest -= length
      month += 1
    }
    return (year, month, rest + 1)
  }
}
