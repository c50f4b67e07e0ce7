import Foundation

/// Times for people.
enum TimeText {
  /// `12s`, `3m12s`, `2h5m`, `4d3h`.
  static func interval(_ interval: TimeInterval) -> String {
    let seconds = Int(max(0, min(interval, 1e12)))
    if seconds < 60 { return "\(seconds)s" }
    if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60)s" }
    if seconds < 86_400 { return "\(seconds / 3600)h\(seconds % 3600 / 60)m" }
    return "\(seconds / 86_400)d\(seconds % 86_400 / 3600)h"
  }

  /// As flags take it, and exact: `500ms`, `90s`, `10m`, `2h`.
  static func flag(milliseconds: UInt64) -> String {
    for (unit, name): (UInt64, String) in [(3_600_000, "h"), (60_000, "m"), (1000, "s")]
    where milliseconds.isMultiple(of: unit) && milliseconds > 0 {
      return "\(milliseconds / unit)\(name)"
    }
    return "\(milliseconds)ms"
  }

  /// In UTC, to the second.
  static func moment(_ date: Date) -> String { date.formatted(.iso8601) }
}
