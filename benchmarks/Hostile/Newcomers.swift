import EnvoyHarness
import NIOCore

/// Proxies that connect while the attack is on, one after the other: how long each takes until it has its whole configuration.
struct Newcomers: Sendable {
  /// A newcomer comes so often.
  static let interval = Duration.seconds(2)
  /// And gives up after so long.
  static let patience = Duration.seconds(20)

  /// Sorted.
  private(set) var times: [TimeAmount] = []
  /// Why the others have got nothing.
  private(set) var failures: [String] = []

  /// - Parameter source: the address that they come from.
  static func come(to server: String, from source: String?, for time: Duration) async -> Newcomers {
    var result = Newcomers()
    let clock = ContinuousClock()
    let end = clock.now + time
    var next = clock.now + .milliseconds(500)
    while next < end, (try? await clock.sleep(until: next)) != nil {
      next += interval
      let start = NIODeadline.now()
      do {
        let newcomer = try await Bystander.connect(to: server, from: source, within: patience)
        result.times.append(NIODeadline.now() - start)
        await newcomer.close()
      } catch {
        result.failures.append("\(error)")
      }
      next = max(next, clock.now)
    }
    result.times.sort()
    return result
  }

  static func + (a: Newcomers, b: Newcomers) -> Newcomers {
    var sum = a
    sum.times = (a.times + b.times).sorted()
    sum.failures += b.failures
    return sum
  }

  var text: String {
    let gone = failures.isEmpty ? "" : "; \(failures.count) got nothing, the first: \(failures[0])"
    return "median \(decimals(times.percentile(0.5))), max \(decimals(times.percentile(1))) ms of \(times.count)\(gone)"
  }
}
