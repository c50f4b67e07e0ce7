/// Durations as Go's `time.ParseDuration` reads them, which Istio's validation uses: `5s`, `1h3m`, `250ms`, `1.5s`.
enum GoDuration {
  struct Invalid: Error {
    var message: String
  }

  /// In whole milliseconds. Istio refuses what is finer, and what is negative.
  static func milliseconds(_ text: String) -> Result<UInt64, Invalid> {
    let malformed = Invalid(message: "must be a duration such as \"5s\", \"1h3m\" or \"250ms\", not \"\(text)\"")
    var rest = text.utf8[...]
    if rest.first == UInt8(ascii: "-") { return .failure(Invalid(message: "must not be negative")) }
    if rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
    if rest.elementsEqual([UInt8(ascii: "0")]) { return .success(0) }
    guard !rest.isEmpty else { return .failure(malformed) }

    var nanoseconds: UInt64 = 0
    while !rest.isEmpty {
      let whole = rest.prefix { isDigit($0) }
      rest = rest[whole.endIndex...]
      var fraction = rest[rest.startIndex..<rest.startIndex]
      if rest.first == UInt8(ascii: ".") {
        fraction = rest.dropFirst().prefix { isDigit($0) }
        rest = rest[fraction.endIndex...]
      }
      guard !whole.isEmpty || !fraction.isEmpty else { return .failure(malformed) }
      let unit = rest.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }
      rest = rest[unit.endIndex...]
      guard let scale = units[String(Substring(unit))] else { return .failure(malformed) }
      guard let part = scaled(whole, fraction, scale) else { return .failure(Invalid(message: "is too long")) }
      let (sum, overflow) = nanoseconds.addingReportingOverflow(part)
      guard !overflow, sum <= UInt64(Int64.max) else { return .failure(Invalid(message: "is too long")) }
      nanoseconds = sum
    }
    guard nanoseconds % 1_000_000 == 0 else {
      return .failure(Invalid(message: "must be a whole number of milliseconds, not \"\(text)\""))
    }
    return .success(nanoseconds / 1_000_000)
  }

  private static let units: [String: UInt64] = [
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "h": 3_600_000_000_000,
  ]

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private static func scaled(_ whole: Substring.UTF8View, _ fraction: Substring.UTF8View, _ scale: UInt64) -> UInt64? {
    var value: UInt64 = 0
    for digit in whole {
      let (ten, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = ten.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      if first || second { return nil }
      value = sum
    }
    let (product, overflow) = value.multipliedReportingOverflow(by: scale)
    if overflow { return nil }
    // Digit by digit, because a binary fraction would miss 0.1.
    var result = product
    var place = scale
    for digit in fraction {
      place /= 10
      let (sum, overflow) = result.addingReportingOverflow(place * UInt64(digit - UInt8(ascii: "0")))
      if overflow { return nil }
      result = sum
    }
    return result
  }
}
