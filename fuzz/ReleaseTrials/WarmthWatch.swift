import EnvoyHarness
import Foundation

/// Looks at an Envoy's whole configuration again and again: one look is one moment, routes and clusters together.
actor WarmthWatch {
  private let name: String
  private let envoy: EnvoyProcess
  private var watching: Task<Void, any Error>?
  private(set) var looks = 0
  /// Moments in which a route named a cluster that was not active, which is to say warm.
  private(set) var cold: [String] = []

  init(_ name: String, _ envoy: EnvoyProcess) { (self.name, self.envoy) = (name, envoy) }

  func begin(every interval: Duration) {
    watching = Task {
      while true {
        try await look()
        try await Task.sleep(for: interval)
      }
    }
  }

  /// - Throws: whatever kept it from looking: a gap must not pass for quiet.
  func end() async throws {
    watching?.cancel()
    do { try await watching?.value } catch is CancellationError {}
    try await look()
  }

  func look() async throws {
    let configuration = try await envoy.configuration()
    looks += 1
    for reference in configuration.coldReferences {
      cold.append("\(name), look \(looks): \(reference) is not active; unfinished are \(configuration.unfinished)")
    }
  }

  /// The percent of each version in the last route of a host; nil if there is no such host.
  func shares(of host: String) async throws -> [String: Double]? {
    let configuration = try await envoy.configuration()
    for table in configuration.routes.values {
      for virtualHost in table.body["virtualHosts"].array
      where virtualHost["domains"].array.contains(.string("\(host).svc.cluster.local")) {
        return subsetShares(ofRoute: virtualHost["routes"].array.last?["route"] ?? .null)
      }
    }
    return nil
  }
}
