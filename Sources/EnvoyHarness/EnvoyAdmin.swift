internal import Foundation

// What an Envoy says of itself on its admin interface: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
extension EnvoyProcess {
  /// One endpoint as Envoy holds it.
  public struct Host: Sendable, Hashable {
    /// `IP:PORT`.
    public var address: String
    /// `HEALTHY`, `DRAINING`, …: the status that the control plane gave (EDS health).
    public var health: String
  }

  /// `/config_dump?include_eds`, all of it.
  public func configurationDump() async throws -> JSON {
    try JSON(parsing: await text("/config_dump?include_eds"))
  }

  /// The route configuration of that name as Envoy runs it (`RouteConfiguration`), null if there is none.
  public func routeConfiguration(_ name: String) async throws -> JSON {
    let dump = try JSON(parsing: await text("/config_dump?resource=dynamic_route_configs"))
    return dump["configs"].array.map { $0["route_config"] }.first { $0["name"].string == name } ?? .null
  }

  /// The endpoints of each cluster, by the cluster's name; a cluster without endpoints is there, empty.
  public func hosts() async throws -> [String: [Host]] {
    let answer = try JSON(parsing: await text("/clusters?format=json"))
    var hosts: [String: [Host]] = [:]
    for cluster in answer["cluster_statuses"].array {
      hosts[cluster["name"].string ?? ""] = cluster["host_statuses"].array.map { status in
        let socket = status["address"]["socket_address"]
        return Host(
          address: "\(socket["address"].string ?? ""):\(socket["port_value"].integer ?? 0)",
          health: status["health_status"]["eds_health_status"].string ?? "UNKNOWN")
      }
    }
    return hosts
  }

  /// Where each listener is bound, `IP:PORT` by the listener's name: the way to learn a port that was asked for as 0.
  public func listeners() async throws -> [String: String] {
    let answer = try JSON(parsing: await text("/listeners?format=json"))
    var listeners: [String: String] = [:]
    for status in answer["listener_statuses"].array {
      let socket = status["local_address"]["socket_address"]
      guard let name = status["name"].string, let port = socket["port_value"].integer else { continue }
      listeners[name] = "\(socket["address"].string ?? ""):\(port)"
    }
    return listeners
  }

  /// Counters and gauges whose name matches the regular expression.
  public func statistics(matching filter: String) async throws -> [String: Int] {
    var allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~".utf8)
    allowed.formUnion("*()".utf8)
    let escaped = filter.utf8.map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return allowed.contains(byte) ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + digits
    }.joined()
    let lines = try await text("/stats?filter=\(escaped)").split(separator: "\n")
    let pairs = lines.compactMap { line -> (String, Int)? in
      guard let colon = line.range(of: ": ", options: .backwards), let value = Int(line[colon.upperBound...]) else {
        return nil
      }
      return (String(line[..<colon.lowerBound]), value)
    }
    return Dictionary(pairs) { first, _ in first }
  }

  private func text(_ path: String) async throws -> String {
    let response = try await HTTPCall.get(admin, path)
    guard response.status == 200 else {
      throw HarnessError(.malformed, "Envoy's \(path) answered \(response.status): \(response.body.prefix(200))")
    }
    return response.body
  }
}
