internal import Foundation

/// The time, as releases see it.
struct ReleaseClock: Sendable {
  var now: @Sendable () -> Date
  var sleep: @Sendable (Duration) async throws -> Void

  static let system = ReleaseClock(now: { Date() }, sleep: { try await Task.sleep(for: $0) })
}
