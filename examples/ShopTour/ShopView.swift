import EnvoyHarness
import Foundation

/// What the tour shows: each change of endpoints and weights as it arrives in the Envoy, and where requests really go.
///
/// Envoy tells nobody when its configuration changes, so it is asked five times a second.
struct ShopView {
  let shop: Shop

  /// Follows until its task is cancelled or the Envoy is gone.
  func follow() async {
    var hosts: [String: Set<String>] = [:]
    var routes: [String: String] = [:]
    var isFirst = true
    let targets = Shop.services.map { LoadTarget(host: $0) }
    let plan = ConstantLoad.Plan(address: shop.outbound, targets: targets, pace: .perSecond(40), connections: 4)
    do {
      _ = try await ConstantLoad.run(plan) { load in
        var shown = ContinuousClock.now
        var before = try await load.report()
        while !Task.isCancelled {
          for started in try await shop.backends.startMissing(in: shop.manifests) { tell("started \(started)") }
          let newHosts = try await currentHosts()
          let newRoutes = try await currentRoutes()
          if !isFirst {
            for (name, addresses) in newHosts.sorted(by: { $0.key < $1.key }) where hosts[name] != addresses {
              let old = hosts[name] ?? []
              let changes = old.subtracting(addresses).map { "-\($0)" } + addresses.subtracting(old).map { "+\($0)" }
              tell("endpoints of \(name): \(changes.sorted().joined(separator: " "))")
            }
            for name in Set(hosts.keys).subtracting(newHosts.keys).sorted() { tell("cluster \(name) is gone") }
            for (name, weights) in newRoutes.sorted(by: { $0.key < $1.key }) where routes[name] != weights {
              tell("route of \(name): \(routes[name] ?? "none") -> \(weights)")
            }
            for name in Set(routes.keys).subtracting(newRoutes.keys).sorted() { tell("route of \(name) is gone") }
          }
          (hosts, routes, isFirst) = (newHosts, newRoutes, false)
          if ContinuousClock.now - shown > .seconds(5) {
            let now = try await load.report()
            tell("last 5 s: " + Self.shares(from: before, to: now) + "; \(now.failed) failed of \(now.requests)")
            (before, shown) = (now, .now)
          }
          try await Task.sleep(for: .milliseconds(200))
        }
      }
    } catch is CancellationError {
    } catch {
      tell("\(error)")
    }
  }

  private func tell(_ text: String) {
    let style = Date.VerbatimFormatStyle(
      format: """
        \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\
        \(minute: .twoDigits):\(second: .twoDigits)
        """, timeZone: .current, calendar: .current)
    say("\(Date().formatted(style))  \(text)")
  }

  /// `IP:PORT STATUS` by cluster.
  private func currentHosts() async throws -> [String: Set<String>] {
    try await shop.envoy.hosts().filter { $0.key.hasPrefix("outbound|") }.mapValues { hosts in
      Set(hosts.map { $0.health == "HEALTHY" ? $0.address : "\($0.address) (\($0.health.lowercased()))" })
    }
  }

  /// The weighted clusters of each virtual host's routes, as text.
  private func currentRoutes() async throws -> [String: String] {
    var routes: [String: String] = [:]
    for host in try await shop.envoy.routeConfiguration("outbound")["virtual_hosts"].array {
      let texts = host["routes"].array.map { route -> String in
        let weighted = route["route"]["weighted_clusters"]["clusters"].array
        if weighted.isEmpty { return subset(route["route"]["cluster"].string ?? "-") }
        let shares = weighted.map { "\(subset($0["name"].string ?? "")) \($0["weight"].integer ?? 0)" }
        return shares.joined(separator: ", ")
      }
      routes[host["name"].string ?? ""] = texts.joined(separator: " | ")
    }
    return routes
  }

  /// The subset in `outbound|80|v1|reviews.shop.svc.cluster.local`, or `all` where there is none.
  private func subset(_ cluster: String) -> String {
    let parts = cluster.split(separator: "|", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return cluster }
    return parts[2].isEmpty ? "all" : String(parts[2])
  }

  private static func shares(from before: LoadReport, to now: LoadReport) -> String {
    now.versions.sorted { $0.key < $1.key }.map { host, counts in
      let new = counts.mapValues { $0 }.merging(before.versions[host] ?? [:]) { $0 - $1 }
      let total = max(1, new.values.reduce(0, +))
      let shares = new.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        .map { "\($0.key) \(($0.value * 100 + total / 2) / total) %" }
      return "\(host) \(shares.joined(separator: " "))"
    }.joined(separator: ", ")
  }
}
