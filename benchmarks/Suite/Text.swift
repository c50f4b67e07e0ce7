import Foundation

/// Numbers for people.
enum Text {
  /// Three digits that count, or all before the point.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "?" }
    let magnitude = abs(value)
    let decimals = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3
    if value == value.rounded() { return String(Int(value)) }
    return String(format: "%.\(decimals)f", value)
  }

  static func bytes(_ value: Double) -> String {
    value >= 1_048_576
      ? number(value / 1_048_576) + " MiB" : value >= 10_240 ? number(value / 1024) + " KiB" : number(value) + " B"
  }
}
