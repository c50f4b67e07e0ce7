import Foundation
import Weir

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// A release controller: moves a service from v1 to v2 step by step, and looks after each step whether requests still succeed.
/// Exits 0 if v2 has everything, 1 if it went back to v1.
///
///     ReleaseController http://127.0.0.1:15014 reviews.shop http://127.0.0.1:15001/
///
/// The first address is that of `weir serve`. The last one is asked for the service's health: a sidecar, with the service as Host.
@main
struct ReleaseController {
  static func main() async throws {
    guard CommandLine.arguments.count == 4, let probe = URL(string: CommandLine.arguments[3]) else {
      print("usage: ReleaseController WEIR-URL SERVICE PROBE-URL")
      exit(2)
    }
    let (server, service) = (CommandLine.arguments[1], CommandLine.arguments[2])
    let releases = Releases(try .server(server))
    let release = try await releases.start(
      .canary(of: service, from: "v1", to: "v2", steps: [10, 50, 100]),
      ReleaseRequest(actor: "release-controller", reason: "v2 is there"))
    do {
      while true {
        let step = try await release.change()
        try await step.live(on: .all, within: .seconds(10))
        guard try await isHealthy(probe, service) else {
          try await release.rollback(
            ReleaseRequest(actor: "release-controller", reason: "requests fail at \(step.status.weight)")
          )
          .live(within: .seconds(10))
          print("back to v1: requests fail with \(step.status.weight) on v2")
          exit(1)
        }
        print("healthy with \(step.status.weight) on v2")
        guard step.status.weight < 100 else { return }
        try await step.approve(ReleaseRequest(actor: "release-controller", reason: "healthy"))
      }
    } catch {
      // Not live in time, refused by a proxy, or nobody to ask: the way back is always open.
      try await release.rollback(ReleaseRequest(actor: "release-controller", reason: "\(error)"))
      throw error
    }
  }

  /// The check: of a hundred requests all must succeed.
  static func isHealthy(_ probe: URL, _ service: String) async throws -> Bool {
    var request = URLRequest(url: probe)
    request.setValue(service, forHTTPHeaderField: "Host")
    for _ in 1...100 {
      let (_, response) = try await URLSession.shared.data(for: request)
      if (response as? HTTPURLResponse)?.statusCode != 200 { return false }
    }
    return true
  }
}
